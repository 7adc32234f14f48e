//! What CloudTrail tells of RunTask calls: a record of each, in EventBridge's envelope (CloudTrail user guide, "CloudTrail record
//! contents"; EventBridge user guide, "AWS service events delivered via CloudTrail").

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::clock::Clock;
use super::wire::{self, ApiError, ApiResult, Call, JsonService};

/// Records that are kept; the oldest goes first.
const MOST: usize = 100_000;
/// What stands for the environment in a record.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// The trail that logs everywhere, by name.
const TRAIL: &str = "local";
/// What is served.
const OPERATIONS: [&str; 3] = ["DescribeTrails", "GetTrailStatus", "LookupEvents"];
/// Records of an answer of LookupEvents (API reference).
const MOST_A_PAGE: u64 = 50;

/// Records of calls, and the trail that logs them.
pub struct CloudTrail {
    clock: Arc<Clock>,
    /// The newest last.
    records: Mutex<VecDeque<Arc<Value>>>,
    /// The role of whoever launches with this `startedBy`.
    roles: Mutex<BTreeMap<String, String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CloudTrail {
    /// A trail without records.
    pub fn new(clock: Arc<Clock>) -> Self {
        Self { clock, records: Mutex::default(), roles: Mutex::default() }
    }

    /// The records that are kept, newest first.
    pub fn records(&self) -> Vec<Arc<Value>> {
        lock(&self.records).iter().rev().cloned().collect()
    }

    /// Calls with this `startedBy` are made as this role.
    pub fn note_role(&self, started_by: &str, role: &str) {
        lock(&self.roles).insert(started_by.to_owned(), role.to_owned());
    }

    /// Records a call and what ECS answered; the event that EventBridge gets.
    pub fn record(&self, call: &Call, answer: &ApiResult) -> Value {
        let time = jiff::Timestamp::from_second(self.clock.now_millis() / 1000).map(|t| t.to_string());
        let time = time.unwrap_or_default();
        let mut detail = json!({
            "eventVersion": "1.11",
            "userIdentity": self.identity(call),
            "eventTime": time,
            "eventSource": "ecs.amazonaws.com",
            "eventName": call.operation,
            "awsRegion": call.region,
            "sourceIPAddress": "127.0.0.1",
            "userAgent": "taskwatch-local",
            "requestParameters": masked(call.body.clone()),
            "responseElements": Value::Null,
            "requestID": uuid::Uuid::new_v4().to_string(),
            "eventID": uuid::Uuid::new_v4().to_string(),
            "readOnly": false,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": call.account,
            "eventCategory": "Management",
        });
        match answer {
            Ok(answer) => detail["responseElements"] = masked(answer.clone()),
            Err(ApiError { code, message, .. }) => {
                detail["errorCode"] = code.as_str().into();
                detail["errorMessage"] = message.as_str().into();
            }
        }
        let event = json!({"version": "0", "id": uuid::Uuid::new_v4().to_string(), "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.ecs", "account": call.account, "time": time, "region": call.region, "resources": [], "detail": detail});
        let mut records = lock(&self.records);
        if records.len() >= MOST {
            records.pop_front();
        }
        records.push_back(Arc::new(detail));
        event
    }

    fn identity(&self, call: &Call) -> Value {
        let started_by = call.body["startedBy"].as_str().unwrap_or_default();
        let service = match started_by {
            text if text.starts_with("events-rule/") => Some("events.amazonaws.com"),
            text if text.starts_with("chronos-schedule/") => Some("scheduler.amazonaws.com"),
            _ => None,
        };
        let role = lock(&self.roles).get(started_by).cloned();
        let (Some(service), Some(role)) = (service, role) else {
            return json!({"type": "IAMUser", "principalId": "AIDATASKWATCHLOCAL", "accountId": call.account,
                "arn": format!("arn:aws:iam::{}:user/local", call.account), "userName": "local"});
        };
        let name = role.rsplit('/').next().unwrap_or_default();
        let session = format!("arn:aws:sts::{}:assumed-role/{name}/taskwatch-local", call.account);
        json!({"type": "AssumedRole", "principalId": "AROATASKWATCHLOCAL:taskwatch-local", "arn": session,
            "accountId": call.account, "invokedBy": service, "sessionContext": {"sessionIssuer": {"type": "Role",
                "principalId": "AROATASKWATCHLOCAL", "arn": role, "accountId": call.account, "userName": name}}})
    }

    fn answer(&self, call: &Call) -> ApiResult {
        let arn = format!("arn:aws:cloudtrail:{}:{}:trail/{TRAIL}", call.region, call.account);
        match call.operation.as_str() {
            "DescribeTrails" => Ok(json!({"trailList": [{"Name": TRAIL, "TrailARN": arn, "HomeRegion": call.region,
                "S3BucketName": "taskwatch-local", "IncludeGlobalServiceEvents": true, "IsMultiRegionTrail": true,
                "LogFileValidationEnabled": false, "HasCustomEventSelectors": false, "HasInsightSelectors": false,
                "IsOrganizationTrail": false}]})),
            "GetTrailStatus" => match call.body["Name"].as_str() {
                Some(name) if name == TRAIL || name == arn => Ok(json!({"IsLogging": true})),
                name => {
                    let why = format!("Unknown trail: {}", name.unwrap_or_default());
                    Err(ApiError::new("TrailNotFoundException", why))
                }
            },
            "LookupEvents" => self.lookup(&call.body),
            other => Err(wire::unknown("CloudTrail", other, &OPERATIONS)),
        }
    }

    /// Records, newest first, a page at a time (API reference, LookupEvents). The token is the id of the last one shown.
    fn lookup(&self, asked: &Value) -> ApiResult {
        let most = asked["MaxResults"].as_u64().unwrap_or(MOST_A_PAGE);
        if !(1..=MOST_A_PAGE).contains(&most) {
            return Err(ApiError::new("InvalidMaxResultsException", "A max results value of 1 to 50 is required."));
        }
        let wanted = Wanted::read(asked)?;
        let records = self.records();
        let start = match asked["NextToken"].as_str() {
            None => 0,
            Some(token) => {
                records.iter().position(|record| record["eventID"] == token).map(|place| place + 1).ok_or_else(
                    || ApiError::new("InvalidNextTokenException", "A token from an earlier answer is required."),
                )?
            }
        };
        let mut matching = records[start..].iter().filter(|record| wanted.has(record));
        let page: Vec<&Arc<Value>> = matching.by_ref().take(usize::try_from(most).unwrap_or_default()).collect();
        let last = page.last().map(|record| record["eventID"].clone());
        let mut answer = json!({"Events": page.iter().map(|record| looked_up(record)).collect::<Vec<_>>()});
        if let Some(last) = last.filter(|_| matching.next().is_some()) {
            answer["NextToken"] = last;
        }
        Ok(answer)
    }
}

/// What LookupEvents is asked for.
struct Wanted<'a> {
    /// Of the record, and its value.
    attribute: Option<(&'static str, &'a str)>,
    from: f64,
    to: f64,
}

impl<'a> Wanted<'a> {
    fn read(asked: &'a Value) -> Result<Self, ApiError> {
        let attribute = match asked["LookupAttributes"].as_array().map(Vec::as_slice) {
            None | Some([]) => None,
            Some([one]) => {
                let member = match one["AttributeKey"].as_str().unwrap_or_default() {
                    "EventName" => "eventName",
                    "EventSource" => "eventSource",
                    "EventId" => "eventID",
                    other => {
                        let why = format!(
                            "taskwatch local looks up by EventName, EventSource and EventId, not by {other:?}."
                        );
                        return Err(ApiError::new("InvalidLookupAttributesException", why));
                    }
                };
                Some((member, one["AttributeValue"].as_str().unwrap_or_default()))
            }
            Some(_) => {
                return Err(ApiError::new("InvalidLookupAttributesException", "You can only specify one attribute."));
            }
        };
        let (from, to) = (asked["StartTime"].as_f64().unwrap_or(0.0), asked["EndTime"].as_f64().unwrap_or(f64::MAX));
        if from > to {
            return Err(ApiError::new("InvalidTimeRangeException", "The start time must be before the end time."));
        }
        Ok(Self { attribute, from, to })
    }

    fn has(&self, record: &Value) -> bool {
        let at = seconds(record);
        self.attribute.is_none_or(|(member, value)| record[member] == value) && at >= self.from && at <= self.to
    }
}

/// When a call was made, in seconds since 1970.
fn seconds(record: &Value) -> f64 {
    let at = record["eventTime"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    at.map_or(0.0, |at| at.as_second() as f64)
}

fn looked_up(record: &Value) -> Value {
    let user = record
        .pointer("/userIdentity/userName")
        .or(record.pointer("/userIdentity/sessionContext/sessionIssuer/userName"));
    json!({"EventId": record["eventID"], "EventName": record["eventName"], "ReadOnly": "false", "EventTime": seconds(record),
        "EventSource": record["eventSource"], "Username": user, "Resources": [], "CloudTrailEvent": record.to_string()})
}

impl JsonService for CloudTrail {
    fn handle<'a>(&'a self, call: Call) -> BoxFuture<'a, ApiResult> {
        async move { self.answer(&call) }.boxed()
    }
}

/// The environment of overrides is hidden, wherever it stands.
fn masked(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                *member = match name.as_str() {
                    "environment" => HIDDEN.into(),
                    _ => masked(member.take()),
                };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = masked(item.take())),
        _ => {}
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(body: Value) -> Call {
        Call {
            region: "us-east-1".into(),
            account: "123456789012".into(),
            operation: "RunTask".into(),
            body,
            origin: String::new(),
        }
    }

    #[test]
    fn a_record_has_the_request_without_its_environment_and_the_answer_or_the_error() {
        let trail = CloudTrail::new(Arc::new(Clock::new(0)));
        let overrides =
            json!({"containerOverrides": [{"name": "a", "environment": [{"name": "K", "value": "secret"}]}]});
        let body = json!({"taskDefinition": "etl", "count": 2, "overrides": overrides});
        let failures = json!({"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]});
        let event = trail.record(&call(body.clone()), &Ok(failures.clone()));
        let environment = "/detail/requestParameters/overrides/containerOverrides/0/environment";
        assert_eq!(event.pointer(environment), Some(&json!(HIDDEN)));
        assert_eq!(event["detail"]["responseElements"], failures);
        assert!(!event.to_string().contains("secret"));
        let refused = trail.record(&call(body), &Err(ApiError::new("ThrottlingException", "Rate exceeded")));
        assert_eq!(refused["detail"]["errorCode"], "ThrottlingException");
        assert!(refused["detail"]["responseElements"].is_null());
        assert_eq!(trail.records()[0]["errorMessage"], "Rate exceeded", "newest first");
    }

    #[test]
    fn records_are_looked_up_newest_first_a_page_at_a_time() {
        let trail = CloudTrail::new(Arc::new(Clock::new(0)));
        for n in 0..3 {
            trail.record(&call(json!({"taskDefinition": format!("etl:{n}")})), &Ok(json!({})));
        }
        let look = |body: Value| trail.lookup(&body);
        let by_name = json!([{"AttributeKey": "EventName", "AttributeValue": "RunTask"}]);
        let shown = |answer: &Value| -> Vec<String> {
            let events = answer["Events"].as_array().unwrap().iter();
            let record =
                |event: &Value| serde_json::from_str::<Value>(event["CloudTrailEvent"].as_str().unwrap()).unwrap();
            events
                .map(|event| record(event)["requestParameters"]["taskDefinition"].as_str().unwrap().to_owned())
                .collect()
        };
        let first = look(json!({"LookupAttributes": by_name, "MaxResults": 2})).unwrap();
        assert_eq!(shown(&first), ["etl:2", "etl:1"]);
        let second =
            look(json!({"LookupAttributes": by_name, "MaxResults": 2, "NextToken": first["NextToken"]})).unwrap();
        assert_eq!((shown(&second), second.get("NextToken")), (vec!["etl:0".to_owned()], None));
        let stop = json!([{"AttributeKey": "EventName", "AttributeValue": "StopTask"}]);
        assert_eq!(look(json!({"LookupAttributes": stop})).unwrap()["Events"], json!([]));
        assert_eq!(look(json!({"StartTime": 4e9})).unwrap()["Events"], json!([]));
        for (wrong, code) in [
            (json!({"MaxResults": 51}), "InvalidMaxResultsException"),
            (json!({"NextToken": "x"}), "InvalidNextTokenException"),
            (json!({"StartTime": 2, "EndTime": 1}), "InvalidTimeRangeException"),
            (json!({"LookupAttributes": [{"AttributeKey": "Colour"}]}), "InvalidLookupAttributesException"),
        ] {
            assert_eq!(look(wrong).unwrap_err().code, code);
        }
    }

    #[test]
    fn a_rule_calls_as_its_targets_role() {
        let trail = CloudTrail::new(Arc::new(Clock::new(0)));
        trail.note_role("events-rule/nightly", "arn:aws:iam::123456789012:role/events");
        let record = |started_by: &str| {
            let event = trail.record(&call(json!({"startedBy": started_by})), &Ok(json!({})));
            event["detail"]["userIdentity"].clone()
        };
        let rule = record("events-rule/nightly");
        assert_eq!(rule["invokedBy"], "events.amazonaws.com");
        assert_eq!(rule["sessionContext"]["sessionIssuer"]["userName"], "events");
        assert_eq!(record("me")["type"], "IAMUser");
    }
}
