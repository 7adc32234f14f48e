use serde_json::json;

use super::*;

#[test]
fn every_operator_says_yes_and_no() {
    let event = json!({"source": "aws.ecs", "n": 5, "none": null, "flag": true, "tags": ["a", "b"], "ip": "10.0.0.7",
            "deep": [["x"], []], "empty": [], "ip6": "2001:db8::7",
        "detail": {"startedBy": "blue/t1", "status": "RUNNING", "star": "a*bc",
                "list": [{"k": 1, "j": 1}, {"k": 2, "j": 2}]}});
    for (pattern, expected) in [
        (json!({"source": ["aws.ecs"]}), true),
        (json!({"source": ["aws.ec2", "aws.ecs"]}), true),
        (json!({"source": ["aws.ec2"]}), false),
        (json!({"n": [5.0]}), true),
        (json!({"none": [null]}), true),
        (json!({"flag": [false]}), false),
        (json!({"tags": ["b"]}), true),
        (json!({"tags": ["c"]}), false),
        (json!({"detail": {"startedBy": [{"prefix": "blue/"}]}}), true),
        (json!({"detail": {"startedBy": [{"prefix": {"equals-ignore-case": "BLUE/"}}]}}), true),
        (json!({"detail": {"startedBy": [{"prefix": "green/"}]}}), false),
        (json!({"detail": {"startedBy": [{"suffix": "1"}]}}), true),
        (json!({"detail": {"status": [{"equals-ignore-case": "running"}]}}), true),
        (json!({"detail": {"status": [{"anything-but": "STOPPED"}]}}), true),
        (json!({"detail": {"status": [{"anything-but": ["RUNNING", "STOPPED"]}]}}), false),
        (json!({"detail": {"status": [{"anything-but": {"prefix": "RUN"}}]}}), false),
        (json!({"detail": {"status": [{"anything-but": {"wildcard": "*PED"}}]}}), true),
        (json!({"detail": {"status": [{"wildcard": "R*N*"}]}}), true),
        (json!({"detail": {"status": [{"wildcard": "R?NNING"}]}}), false),
        (json!({"n": [{"numeric": [">", 0, "<=", 5]}]}), true),
        (json!({"n": [{"numeric": ["<", 5]}]}), false),
        (json!({"ip": [{"cidr": "10.0.0.0/24"}]}), true),
        (json!({"ip": [{"cidr": "10.0.1.0/24"}]}), false),
        (json!({"missing": [{"exists": false}]}), true),
        (json!({"detail": {"status": [{"exists": true}]}}), true),
        (json!({"detail": {"missing": [{"exists": true}]}}), false),
        (json!({"detail": {"list": {"k": [2]}}}), true),
        (json!({"detail": {"list": {"k": [3]}}}), false),
        (json!({"$or": [{"n": [1]}, {"source": ["aws.ecs"]}]}), true),
        (json!({"$or": [{"n": [1]}, {"n": [2]}], "source": ["aws.ecs"]}), false),
        (json!({"n": ["5"]}), false),
        (json!({"source": ["AWS.ecs"]}), false),
        (json!({"deep": ["x"]}), true),
        (json!({"deep": [{"anything-but": ["x", "y"]}]}), false),
        (json!({"tags": [{"anything-but": ["a"]}]}), true),
        (json!({"empty": [{"exists": true}]}), false),
        (json!({"empty": [{"exists": false}]}), true),
        (json!({"none": [{"exists": true}]}), true),
        (json!({"detail": [{"exists": true}]}), false),
        (json!({"detail": {"status": [{"anything-but": {"prefix": ["STO", "RUN"]}}]}}), false),
        (json!({"detail": {"status": [{"anything-but": {"suffix": ["PED", "x"]}}]}}), true),
        (json!({"detail": {"status": [{"anything-but": {"equals-ignore-case": ["running"]}}]}}), false),
        (json!({"detail": {"status": [{"suffix": {"equals-ignore-case": "ing"}}]}}), true),
        (json!({"detail": {"status": [{"wildcard": "RUNNING"}]}}), true),
        (json!({"detail": {"status": [{"wildcard": "*N*N*N*N"}]}}), false),
        (json!({"detail": {"star": [{"wildcard": "a\\*b*"}]}}), true),
        (json!({"detail": {"status": [{"wildcard": "R\\*"}]}}), false),
        (json!({"n": [{"anything-but": 5.0}]}), false),
        (json!({"n": [{"anything-but": "5"}]}), true),
        (json!({"n": [{"numeric": ["=", 5]}]}), true),
        (json!({"source": [{"numeric": ["=", 5]}]}), false),
        (json!({"ip6": [{"cidr": "2001:db8::/32"}]}), true),
        (json!({"ip": [{"cidr": "0.0.0.0/0"}]}), true),
        (json!({"detail": {"list": {"k": [1], "j": [2]}}}), false),
        (json!({"detail": {"list": {"k": [1], "j": [1]}}}), true),
        (json!({"detail": {"$or": [{"status": ["X"]}, {"startedBy": [{"suffix": "t1"}]}]}}), true),
    ] {
        let text = pattern.to_string();
        assert_eq!(matches(&parse(&text).unwrap(), &event), expected, "{text}");
    }
}

#[test]
fn bad_patterns_are_refused() {
    for text in [
        "",
        "[]",
        "{}",
        "{\"a\": \"b\"}",
        "{\"a\": []}",
        "{\"a\": {}}",
        "{\"a\": [{\"starts\": \"x\"}]}",
        "{\"a\": [{\"numeric\": [\"!\", 1]}]}",
        "{\"a\": [{\"exists\": \"yes\"}]}",
        "{\"a\": [[1]]}",
        "{\"a\": [{\"prefix\": 1}]}",
        "{\"a\": [{\"prefix\": \"x\", \"suffix\": \"y\"}]}",
        "{\"a\": [{\"cidr\": \"x\"}]}",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}
