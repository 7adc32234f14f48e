//! What the SDK's errors mean for the cell.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::error::SdkError;

use crate::cell::ports::CallError;

/// Reads an error of any call.
pub(super) fn read<E, R>(error: &SdkError<E, R>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let SdkError::ServiceError(service) = error else {
        return match unreached(error) {
            Some(why) => CallError::Unreached(why),
            None => CallError::Unknown(one_line(error)),
        };
    };
    let code = service.err().code().unwrap_or_default();
    let message = service.err().message().unwrap_or_default();
    if code.is_empty() {
        return CallError::Unknown(one_line(service.err()));
    }
    match CallError::from_exception(code, message) {
        CallError::Unreached(cause) => {
            CallError::Unreached(format!("{}; {}", cause.trim_end_matches('.'), todo(code, message)))
        }
        other => other,
    }
}

/// Reads an error of a call that may go well another time, whatever it says now: a right can be given, a topic made.
pub(super) fn read_later<E, R>(error: &SdkError<E, R>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match read(error) {
        CallError::Refused(failure) => CallError::Unknown(failure.cause),
        other => other,
    }
}

/// The error's code, if the service gave one.
pub(super) fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    error.code().unwrap_or_default().to_owned()
}

/// What the service said, or all that kept the call from it, in one line.
pub(super) fn cause<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => credentials(error).or_else(|| connection(error)).unwrap_or_else(|| one_line(error)),
    }
}

/// What to do about a caller whom AWS does not know, or a call that did not get there: by the service's code and text.
pub(super) fn todo(code: &str, cause: &str) -> &'static str {
    let said = |part: &str| code.contains(part) || cause.contains(part);
    if said("scoped to a valid region") {
        "set AWS_REGION, or --region, to a Region that there is"
    } else if said("Signature expired") || said("RequestTimeTooSkewed") || said("Signature not yet current") {
        "set this machine's clock: AWS takes signatures of the last 5 minutes"
    } else if said("ExpiredToken") || said("RequestExpired") {
        "the session's credentials have run out: log in again"
    } else if said("InvalidClientTokenId")
        || said("SignatureDoesNotMatch")
        || said("InvalidSignature")
        || said("UnrecognizedClient")
    {
        "the access key or its secret is wrong, or of another partition"
    } else if said("credentials") || said("Credentials") {
        "set AWS_PROFILE (or --profile), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run it with a task role"
    } else if said("dns error") {
        "the endpoint's name is not known: see the Region (AWS_REGION, --region) and --endpoint-url"
    } else {
        "see that this machine reaches AWS (AWS_REGION, proxy, VPC endpoints, --endpoint-url)"
    }
}

/// Why nobody at AWS can have heard of a call, with what to do: no credentials to sign it, or no connection to send it over.
fn unreached(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let why = credentials(error).or_else(|| connection(error))?;
    Some(format!("{why}; {}", todo("", &why)))
}

/// Why there is no connection, if that is what is wrong.
fn connection(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let error = find::<hyper_util::client::legacy::Error>(error).filter(|error| error.is_connect())?;
    Some(format!("cannot connect: {}", one_line(std::error::Error::source(error).unwrap_or(error))))
}

/// What is wrong with the credentials, if that is what is wrong. The SDK names every place where it looked for some, a line
/// each: that there are none says as much.
fn credentials(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    Some(match find::<CredentialsError>(error)? {
        CredentialsError::CredentialsNotLoaded(_) => "no credentials were found".to_owned(),
        other => format!("the credentials cannot be loaded: {}", one_line(other)),
    })
}

/// The first error of this type among an error and its causes.
fn find<'e, T: std::error::Error + 'static>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// An error, what caused it, and so on.
fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// Whether a code means that the caller may not. Services spell it differently.
pub(super) fn is_denied(code: &str) -> bool {
    ["AccessDenied", "AuthorizationError", "UnauthorizedOperation", "NotAuthorized"]
        .iter()
        .any(|part| code.contains(part))
}

/// An error with all that caused it, in one line.
pub(super) fn one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.join(": ").lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use aws_config::meta::credentials::CredentialsProviderChain;
    use aws_sdk_sts::config::{BehaviorVersion, ProvideCredentials, Region};

    use super::*;

    #[test]
    fn what_to_do_follows_from_what_aws_says() {
        for (code, cause, part) in [
            ("SignatureDoesNotMatch", "Signature expired: 20261122T100000Z is now earlier than", "clock"),
            ("InvalidSignatureException", "Signature not yet current", "clock"),
            ("InvalidSignatureException", "The request signature we calculated does not match", "secret"),
            ("SignatureDoesNotMatch", "The request signature we calculated does not match", "secret"),
            ("ExpiredToken", "The security token included in the request is expired", "log in again"),
            ("InvalidSignatureException", "Credential should be scoped to a valid region", "AWS_REGION"),
            ("InvalidClientTokenId", "The security token included in the request is invalid", "access key"),
            ("", "no credentials were found", "AWS_PROFILE"),
            ("", "cannot connect: dns error: Name or service not known", "--region"),
            ("", "cannot connect: tcp connect error: Connection refused", "reaches AWS"),
        ] {
            assert!(todo(code, cause).contains(part), "{cause}");
        }
    }

    /// What a call with this configuration fails with.
    async fn failure(set: impl FnOnce(aws_sdk_ecs::config::Builder) -> aws_sdk_ecs::config::Builder) -> CallError {
        let config = aws_sdk_ecs::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .retry_config(aws_sdk_ecs::config::retry::RetryConfig::disabled())
            .region(Region::new("us-east-1"));
        let client = aws_sdk_ecs::Client::from_conf(set(config).build());
        read(&client.list_clusters().send().await.expect_err("nobody answers"))
    }

    #[tokio::test]
    async fn a_call_that_nobody_can_have_heard_of_says_so_in_one_line_with_what_to_do() {
        let keys = aws_sdk_ecs::config::Credentials::new("a", "b", None, None, "test");
        let nobody = CredentialsProviderChain::first_try("Environment", Empty).or_else("Profile", Empty);
        let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
        for (failed, part, todo) in [
            (failure(|c| c.credentials_provider(nobody)).await, "no credentials were found", "AWS_PROFILE"),
            (
                failure(|c| c.credentials_provider(keys.clone()).endpoint_url(format!("http://{closed}"))).await,
                "Connection refused",
                "reaches AWS",
            ),
            (
                // No resolver knows names under .invalid (RFC 6761).
                failure(|c| c.credentials_provider(keys).endpoint_url("http://ecs.invalid")).await,
                "dns error",
                "--region",
            ),
        ] {
            let CallError::Unreached(said) = failed else { panic!("{failed:?}") };
            assert!(said.contains(part) && said.contains(todo) && !said.contains('\n'), "{said}");
        }
    }

    /// A place where there are no credentials.
    #[derive(Debug)]
    struct Empty;

    impl ProvideCredentials for Empty {
        fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let none = CredentialsError::not_loaded("the environment variable is not set");
            aws_credential_types::provider::future::ProvideCredentials::ready(Err(none))
        }
    }
}
