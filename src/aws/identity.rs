//! Who calls AWS, and by whose clock.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;

use super::{Clients, errors};

/// Who the caller is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The caller's ARN.
    pub arn: String,
    /// The account, twelve digits.
    pub account: String,
    /// `aws`, `aws-cn`, …
    pub partition: String,
    /// The `Date` of AWS's answer, as HTTP writes it.
    pub date: Option<String>,
}

/// Why it is not known.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{cause}; {todo}")]
pub struct IdentityError {
    /// What AWS said, or what did not reach it.
    pub cause: String,
    /// What to do.
    pub todo: String,
}

/// Keeps the `Date` header of an answer.
#[derive(Clone, Debug, Default)]
struct DateOf(Arc<Mutex<Option<String>>>);

impl Intercept for DateOf {
    fn name(&self) -> &'static str {
        "DateOf"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

impl Clients {
    /// Asks STS who the caller is: the one call that needs no permission.
    ///
    /// # Errors
    /// No credentials, wrong ones, a clock that is wrong, or no way to AWS.
    pub async fn identity(&self) -> Result<Identity, IdentityError> {
        let date = DateOf::default();
        let asked = aws_sdk_sts::Client::new(&self.config).get_caller_identity().customize().interceptor(date.clone());
        let answer = asked.send().await.map_err(|error| {
            let (code, cause) = (errors::code(&error), errors::cause(&error).trim_end_matches('.').to_owned());
            IdentityError { todo: errors::todo(&code, &cause).to_owned(), cause }
        })?;
        let arn = answer.arn().unwrap_or_default().to_owned();
        let date = date.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(Identity {
            account: answer.account().unwrap_or_default().to_owned(),
            partition: arn.split(':').nth(1).filter(|p| p.starts_with("aws")).unwrap_or("aws").to_owned(),
            arn,
            date,
        })
    }
}
