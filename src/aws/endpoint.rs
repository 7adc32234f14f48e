//! Where the services are that are not where AWS has them: as the SDK's own clients find it.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

use super::profile::ConfigError;

/// `serviceId` of the services that the SDK's clients call.
const OF_THE_SDK: [&str; 5] = ["ECS", "EventBridge", "SNS", "SQS", "STS"];

/// The endpoint that is set for a service, by `serviceId` of its API model. One that the caller gave goes before that of the
/// environment or the profile for this service, that before the one for all services.
pub(super) fn given(config: &SdkConfig, service: &str) -> Option<String> {
    of_it_alone(config, service).or_else(|| config.endpoint_url().map(str::to_owned))
}

/// Refuses what the SDK would find to be no endpoint at each call, for its own clients and for the `others`, by `serviceId`. An
/// empty one counts as not set.
pub(super) fn check(config: &SdkConfig, others: impl IntoIterator<Item = &'static str>) -> Result<(), ConfigError> {
    if let Some(url) = config.endpoint_url().filter(|url| !is_one(url)) {
        return Err(ConfigError::Endpoint { url: url.to_owned() });
    }
    for service in OF_THE_SDK.into_iter().chain(others) {
        if let Some(url) = of_it_alone(config, service).filter(|url| !is_one(url)) {
            return Err(ConfigError::EndpointOf { url, service });
        }
    }
    Ok(())
}

/// `AWS_ENDPOINT_URL_<SERVICE>`, else `endpoint_url` in the profile's `services` section; not where the caller gave one for all.
fn of_it_alone(config: &SdkConfig, service: &str) -> Option<String> {
    if config.get_origin("endpoint_url").is_client_config() {
        return None;
    }
    let key =
        ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    config.service_config()?.load_config(key)
}

fn is_one(url: &str) -> bool {
    let has_a_place = |uri: hyper::Uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    };
    url.is_empty() || url.parse().is_ok_and(has_a_place)
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;
    use aws_types::origin::Origin;
    use aws_types::service_config::LoadServiceConfig;

    use super::*;

    /// What the environment says of one service.
    #[derive(Debug)]
    struct Of(&'static str, &'static str);

    impl LoadServiceConfig for Of {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            (key.service_id() == self.0).then(|| self.1.to_owned())
        }
    }

    fn config(of_one: Of, for_all: &str, origin: Origin) -> SdkConfig {
        let mut config = SdkConfig::builder().behavior_version(BehaviorVersion::v2026_01_12()).service_config(of_one);
        config.insert_origin("endpoint_url", origin);
        config.endpoint_url(for_all).build()
    }

    #[test]
    fn the_endpoint_of_a_service_goes_before_that_of_all_unless_the_caller_gave_it() {
        let of = |origin| given(&config(Of("SQS", "http://sqs"), "http://all", origin), "SQS");
        assert_eq!(of(Origin::shared_profile_file()).as_deref(), Some("http://sqs"));
        assert_eq!(of(Origin::shared_config()).as_deref(), Some("http://all"));
    }

    #[test]
    fn an_endpoint_that_nobody_uses_is_not_looked_at() {
        let said =
            |of_one, origin| check(&config(of_one, "http://all", origin), ["Lambda"]).err().map(|e| e.to_string());
        let wrong = said(Of("Lambda", "ftp://x"), Origin::shared_profile_file()).expect("it is used");
        assert!(wrong.starts_with("the endpoint \"ftp://x\" of Lambda is no URL"), "{wrong}");
        assert_eq!(said(Of("Lambda", "ftp://x"), Origin::shared_config()), None);
        assert_eq!(said(Of("S3", "ftp://x"), Origin::shared_profile_file()), None);
        assert_eq!(said(Of("SQS", ""), Origin::shared_profile_file()), None);
    }

    #[test]
    fn an_endpoint_is_a_url_with_a_host() {
        let good = ["http://127.0.0.1:4566", "https://vpce-1.ecs.eu-west-1.vpce.amazonaws.com/", "http://[::1]:80"];
        let bad = ["localhost:4566", "http:/x", "htp://x", "/x", "http://", "http://a b"];
        assert!(good.iter().all(|url| is_one(url)) && !bad.iter().any(|url| is_one(url)));
    }
}
