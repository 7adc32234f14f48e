//! What the SDK's errors mean for the cell.

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
        return CallError::Unknown(in_full(error));
    };
    let code = service.err().code().unwrap_or_default();
    let message = service.err().message().unwrap_or_default();
    if code.is_empty() {
        return CallError::Unknown(in_full(service.err()));
    }
    CallError::from_exception(code, message)
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
        _ => in_full(error),
    }
}

/// Whether a code means that the caller may not. Services spell it differently.
pub(super) fn is_denied(code: &str) -> bool {
    ["AccessDenied", "AuthorizationError", "UnauthorizedOperation", "NotAuthorized"]
        .iter()
        .any(|part| code.contains(part))
}

/// An error with all that caused it, in one line.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
