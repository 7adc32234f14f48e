//! One signed call to an AWS service whose protocol is JSON, on the SDK's own runtime: for services of which taskwatch uses
//! one operation or two. A crate of the SDK for each would take longer to build than all of taskwatch.

pub(super) mod services;
#[cfg(test)]
mod tests;

use std::fmt;

use aws_config::SdkConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_sdk_ecs::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::endpoint::{
    EndpointFuture, EndpointResolverParams, ResolveEndpoint, SharedEndpointResolver,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::endpoint::Endpoint;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use futures::FutureExt as _;
use serde_json::Value;

use super::endpoint;

/// A service, as its API model names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Service {
    /// `serviceId` of its model: `AWS_ENDPOINT_URL_<ID>` and the profile's `services` section go by it.
    pub(super) id: &'static str,
    /// The first label of its host, `endpointPrefix` of its model.
    pub(super) endpoint: &'static str,
    /// The name it is signed for.
    pub(super) signing: &'static str,
    /// How an operation is named in a request.
    pub(super) protocol: Protocol,
}

/// AWS's two ways to put JSON into a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Protocol {
    /// `awsJson`: POST to `/`; `X-Amz-Target` has this prefix, a dot and the operation.
    Target {
        /// `targetPrefix` of the model.
        prefix: &'static str,
        /// `jsonVersion` of the model: `1.0` or `1.1`.
        version: &'static str,
    },
    /// `restJson1`: each operation has its method and path.
    Rest,
}

/// Whether the SDK tries a call again that was throttled or got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retries {
    /// As the configuration says: three tries in all, by default.
    Configured,
    /// One try: the caller waits by itself.
    Never,
}

/// A call of one operation.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    /// Its name in the model.
    pub(super) operation: &'a str,
    /// Of [`Protocol::Rest`]; `GET`, `POST`, …
    pub(super) method: &'a str,
    /// Of [`Protocol::Rest`], with its query, percent-encoded.
    pub(super) path: &'a str,
    /// The body; `Null` for none.
    pub(super) body: &'a Value,
}

/// What a service answered that did not take a call.
#[derive(Debug)]
pub(super) struct JsonError {
    meta: ErrorMetadata,
    body: Box<Value>,
}

impl JsonError {
    /// All that it said; `Null` where that was no JSON.
    pub(super) fn body(&self) -> &Value {
        &self.body
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.meta.fmt(f)
    }
}

impl std::error::Error for JsonError {}

impl ProvideErrorMetadata for JsonError {
    fn meta(&self) -> &ErrorMetadata {
        &self.meta
    }
}

/// Why a call was not answered.
pub(super) type CallFailure = SdkError<JsonError, HttpResponse>;

/// Calls one service.
#[derive(Clone, Debug)]
pub(super) struct JsonClient {
    protocol: Protocol,
    operation: Operation<Sent, Value, JsonError>,
}

/// A request that is ready but for its endpoint and signature.
#[derive(Debug)]
struct Sent {
    method: String,
    path: String,
    target: Option<(String, &'static str)>,
    body: Vec<u8>,
}

impl JsonClient {
    /// A client with the SDK's configuration: credentials, Region, endpoint, timeouts.
    pub(super) fn new(config: &SdkConfig, service: Service, retries: Retries) -> Self {
        let builder = Operation::builder()
            .service_name(service.id)
            .operation_name("Call")
            .with_connection_poisoning()
            .timeout_config(config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled))
            .retry_classifier(HttpStatusCodeClassifier::default())
            .retry_classifier(TransientErrorClassifier::<JsonError>::new())
            .retry_classifier(AwsErrorCodeClassifier::<JsonError>::new())
            .serializer(|sent: Sent| request(sent))
            .deserializer(answer)
            .runtime_plugin(plugin(config, service));
        let builder = match retries {
            Retries::Never => builder.no_retry(),
            Retries::Configured => builder.standard_retry(config.retry_config().unwrap_or(&RetryConfig::standard())),
        };
        Self { protocol: service.protocol, operation: builder.build() }
    }

    /// Makes a call; its answer, `Null` where it has no body.
    ///
    /// # Errors
    /// As of every other client of the SDK.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Value, CallFailure> {
        let (method, path, target) = match self.protocol {
            Protocol::Target { prefix, version } => {
                ("POST", "/", Some((format!("{prefix}.{}", call.operation), version)))
            }
            Protocol::Rest => (call.method, call.path, None),
        };
        let body = if call.body.is_null() { Vec::new() } else { call.body.to_string().into_bytes() };
        let sent = Sent { method: method.to_owned(), path: path.to_owned(), target, body };
        self.operation.invoke(sent).await
    }

    /// Makes a call of an operation that is named in the request's head.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(super) async fn target(&self, operation: &str, body: &Value) -> Result<Value, CallFailure> {
        self.call(&Call { operation, method: "POST", path: "/", body }).await
    }
}

/// Whom the calls are made as, and where.
fn plugin(config: &SdkConfig, service: Service) -> StaticRuntimePlugin {
    let mut layer = Layer::new("json");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(EndpointResolverParams::new(()));
    layer.store_put(SigningName::from_static(service.signing));
    if let Some(region) = config.region() {
        layer.store_put(region.clone());
        layer.store_put(SigningRegion::from(region.clone()));
    }
    let mut signing_options = SigningOptions::default();
    signing_options.double_uri_encode = true;
    signing_options.normalize_uri_path = true;
    layer.store_put(SigV4OperationSigningConfig { signing_options, ..Default::default() });
    if let Some(protection) = config.stalled_stream_protection() {
        layer.store_put(protection);
    }
    let mut components = RuntimeComponentsBuilder::new("json");
    components.push_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()));
    let by_signature = StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]);
    components.set_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(by_signature)));
    if let Some(credentials) = config.credentials_provider() {
        components.set_identity_resolver(SCHEME_ID, credentials);
    }
    components.set_identity_cache(Some(config.identity_cache().unwrap_or_else(|| IdentityCache::lazy().build())));
    components.set_http_client(config.http_client());
    components.set_sleep_impl(config.sleep_impl());
    components.set_time_source(config.time_source());
    components.set_endpoint_resolver(Some(SharedEndpointResolver::new(Place(place(config, service)))));
    StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components)
}

/// Where a service is: as the SDK's own clients find it.
fn place(config: &SdkConfig, service: Service) -> Result<String, String> {
    endpoint::given(config, service.id).map_or_else(|| of_the_region(config, service), Ok)
}

/// ECS and these services name their hosts alike in every partition, with FIPS and with dual stack: only the first label
/// differs. So the rules of ECS's client are asked.
fn of_the_region(config: &SdkConfig, service: Service) -> Result<String, String> {
    let params = Params::builder()
        .set_region(config.region().map(ToString::to_string))
        .set_use_fips(config.use_fips())
        .set_use_dual_stack(config.use_dual_stack())
        .build()
        .map_err(|e| e.to_string())?;
    let endpoint = DefaultResolver::new().resolve_endpoint(&params).now_or_never();
    let endpoint = endpoint.ok_or("the endpoint is not known")?.map_err(|e| e.to_string())?;
    let host = endpoint.url().strip_prefix("https://ecs").ok_or_else(|| format!("no Region has {}", endpoint.url()))?;
    Ok(format!("https://{}{host}", service.endpoint))
}

/// An endpoint, or why there is none.
#[derive(Debug)]
struct Place(Result<String, String>);

impl ResolveEndpoint for Place {
    fn resolve_endpoint<'a>(&'a self, _: &'a EndpointResolverParams) -> EndpointFuture<'a> {
        EndpointFuture::ready(match &self.0 {
            Ok(url) => Ok(Endpoint::builder().url(url.clone()).build()),
            Err(why) => Err(why.clone().into()),
        })
    }
}

fn request(sent: Sent) -> Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::from(sent.body));
    request.set_method(&sent.method)?;
    request.set_uri(sent.path)?;
    let kind = match &sent.target {
        Some((target, version)) => {
            request.headers_mut().try_insert("x-amz-target", target.clone())?;
            format!("application/x-amz-json-{version}")
        }
        None => "application/json".to_owned(),
    };
    request.headers_mut().try_insert("content-type", kind)?;
    Ok(request)
}

fn answer(response: &HttpResponse) -> Result<Value, OrchestratorError<JsonError>> {
    let body = response.body().bytes().unwrap_or_default();
    let read = || serde_json::from_slice::<Value>(body);
    if !response.status().is_success() {
        let body = read().unwrap_or_default();
        let meta = error(response.headers().get("x-amzn-errortype"), &body);
        return Err(OrchestratorError::operation(JsonError { meta, body: Box::new(body) }));
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    read().map_err(|e| OrchestratorError::response(format!("an answer that is no JSON: {e}").into()))
}

/// The code stands in a header or in the body, with a namespace before it or a URL behind it (AWS JSON 1.1 and REST JSON 1
/// protocols, "Operation error serialization").
fn error(header: Option<&str>, body: &Value) -> ErrorMetadata {
    let member = |names: [&str; 3]| names.into_iter().find_map(|name| body.get(name).and_then(Value::as_str));
    let mut meta = ErrorMetadata::builder();
    if let Some(code) = header.filter(|header| !header.is_empty()).or_else(|| member(["__type", "code", "Code"])) {
        let code = code.split(':').next().unwrap_or(code);
        meta = meta.code(code.rsplit('#').next().unwrap_or(code));
    }
    if let Some(message) = member(["message", "Message", "errorMessage"]) {
        meta = meta.message(message);
    }
    meta.build()
}
