//! Values in, value out: AWS's own examples first.

use proptest::prelude::*;
use serde_json::json;

use super::template::Unresolved;
use super::*;

fn acceptance() -> Acceptance {
    let now = crate::core::time::Timestamp::parse("2026-11-22T03:00:00Z").unwrap();
    Acceptance::new(now, uuid::Uuid::from_u128(7))
}

fn value(expression: &str, input: &Value) -> Result<Value, String> {
    let execution = Execution::new(&acceptance(), "nightly", input, &Default::default());
    let (variables, meter) = (Map::from_iter([("days".to_owned(), json!([1, 2]))]), Meter::default());
    let context = execution.in_state("Run");
    let scope = Scope {
        input,
        context: &context,
        variables: &variables,
        chance: &execution.chance,
        meter: &meter,
        outcome: None,
        now: execution.now,
    };
    call::evaluate(expression, &scope).map_err(|e| e.to_string())
}

#[test]
fn every_function_answers_as_awss_documentation_says() {
    for (expression, input, expected) in [
        ("States.Array($.Id)", json!({"Id": 123_456}), json!([123_456])),
        ("States.Array()", json!({}), json!([])),
        ("States.Array('a', 1, true, null, States.Array(2.5))", json!({}), json!(["a", 1, true, null, [2.5]])),
        (
            "States.ArrayPartition($.inputArray,4)",
            json!({"inputArray": [1, 2, 3, 4, 5, 6, 7, 8, 9]}),
            json!([[1, 2, 3, 4], [5, 6, 7, 8], [9]]),
        ),
        (
            "States.ArrayContains($.inputArray, $.lookingFor)",
            json!({"inputArray": [1, 2, 3, 4, 5, 6, 7, 8, 9], "lookingFor": 5}),
            json!(true),
        ),
        ("States.ArrayContains($.a, 'x')", json!({"a": [{"b": "x"}]}), json!(false)),
        ("States.ArrayRange(1, 9, 2)", json!({}), json!([1, 3, 5, 7, 9])),
        ("States.ArrayRange(3, 1, -1)", json!({}), json!([3, 2, 1])),
        ("States.ArrayRange(0, 999, 1).length", json!({}), json!(null)),
        (
            "States.ArrayGetItem($.inputArray, $.index)",
            json!({"inputArray": [1, 2, 3, 4, 5, 6, 7, 8, 9], "index": 5}),
            json!(6),
        ),
        ("States.ArrayLength($.inputArray)", json!({"inputArray": [1, 2, 3, 4, 5, 6, 7, 8, 9]}), json!(9)),
        ("States.ArrayUnique($.inputArray)", json!({"inputArray": [1, 2, 3, 3, 3, 3, 3, 3, 4]}), json!([1, 2, 3, 4])),
        ("States.Base64Encode($.input)", json!({"input": "Data to encode"}), json!("RGF0YSB0byBlbmNvZGU=")),
        ("States.Base64Decode($.base64)", json!({"base64": "RGF0YSB0byBlbmNvZGU="}), json!("Data to encode")),
        (
            "States.Hash($.Data, $.Algorithm)",
            json!({"Data": "input data", "Algorithm": "SHA-1"}),
            json!("aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ),
        ("States.Hash('a', 'MD5')", json!({}), json!("0cc175b9c0f1b6a831c399e269772661")),
        (
            "States.JsonMerge($.json1, $.json2, false)",
            json!({"json1": {"a": {"a1": 1, "a2": 2}, "b": 2}, "json2": {"a": {"a3": 1, "a4": 2}, "c": 3}}),
            json!({"a": {"a3": 1, "a4": 2}, "b": 2, "c": 3}),
        ),
        (
            "States.StringToJson($.escapedJsonString)",
            json!({"escapedJsonString": "{\"foo\": \"bar\"}"}),
            json!({"foo": "bar"}),
        ),
        ("States.JsonToString($.unescapedJson)", json!({"unescapedJson": {"foo": "bar"}}), json!("{\"foo\":\"bar\"}")),
        ("States.MathAdd($.value1, $.step)", json!({"value1": 111, "step": -1}), json!(110)),
        ("States.MathAdd(1.6, 1.4)", json!({}), json!(3)),
        ("States.MathAdd(2147483647, 2147483647)", json!({}), json!(4_294_967_294_i64)),
        ("States.MathAdd(-2147483648, -1)", json!({}), json!(-2_147_483_649_i64)),
        ("States.ArrayRange(0.6, 3.4, 1)", json!({}), json!([1, 2, 3])),
        ("States.ArrayPartition($.a, 1.6)", json!({"a": [1, 2, 3]}), json!([[1, 2], [3]])),
        ("States.ArrayPartition($.a, 4)", json!({"a": []}), json!([])),
        ("States.ArrayContains($.a, $.b)", json!({"a": [{"x": [1, null]}], "b": {"x": [1, null]}}), json!(true)),
        ("States.ArrayUnique($.a)", json!({"a": [{"x": 1}, {"x": 1}, "1", 1, 1.0]}), json!([{"x": 1}, "1", 1])),
        (
            "States.Hash($.a, 'SHA-256')",
            json!({"a": "Hello"}),
            json!("185f8db32271fe25f561a6fc938b2e264306ec304eda518007d1764826381969"),
        ),
        (
            "States.Hash($.a, 'SHA-384')",
            json!({"a": "Hello"}),
            json!("3519fe5ad2c596efe3e276a6f351b8fc0b03db861782490d45f7598ebd0ab5fd5520ed102f38c4a5ec834e98668035fc"),
        ),
        (
            "States.Hash($.a, 'SHA-512')",
            json!({"a": "Hello"}),
            json!(
                "3615f80c9d293ed7402687f94b22d58e529b8cc7916f8fac7fddf7fbd5af4cf777d3d795a7a00a16bf7e7f3fb9561ee9baae480da9fe7a18769e71886b03f315"
            ),
        ),
        ("States.Hash('ñ', 'MD5')", json!({}), json!("94e9342ecbb1458b6043ecd3bfcbc192")),
        ("States.Base64Encode($.a)", json!({"a": "ñ "}), json!("w7Eg")),
        ("States.StringToJson($.a)", json!({"a": " [1, \"x\", null] "}), json!([1, "x", null])),
        ("States.JsonToString($)", json!([1, "x", {"a": null}]), json!(r#"[1,"x",{"a":null}]"#)),
        (
            "States.StringSplit($.inputString, $.splitter)",
            json!({"inputString": "1,2,3,4,5", "splitter": ","}),
            json!(["1", "2", "3", "4", "5"]),
        ),
        (
            "States.StringSplit($.inputString, $.splitter)",
            json!({"inputString": "This.is+a,test=string", "splitter": ".+,="}),
            json!(["This", "is", "a", "test", "string"]),
        ),
        ("States.StringSplit('a,,b,', ',')", json!({}), json!(["a", "b"])),
        ("States.Format('Hello, my name is {}.', $.name)", json!({"name": "Arnav"}), json!("Hello, my name is Arnav.")),
        (
            "States.Format($.template, $.name)",
            json!({"name": "Arnav", "template": "Hello, my name is {}."}),
            json!("Hello, my name is Arnav."),
        ),
        (
            r"States.Format('\{\} it\'s {} \\ {}', 1, $.list)",
            json!({"list": [1, "a"]}),
            json!(r#"{} it's 1 \ [1,"a"]"#),
        ),
        (r#"States.Format('\{"a": {}\}', null)"#, json!({}), json!(r#"{"a": null}"#)),
        (
            "States.Format('{}.{}.{}', States.ArrayGetItem(States.StringSplit(States.ArrayGetItem(States.StringSplit($.ImageRecipe.Arn, '/'), 2), '.'), 0), \
             States.ArrayGetItem(States.StringSplit(States.ArrayGetItem(States.StringSplit($.ImageRecipe.Arn, '/'), 2), '.'), 1), 'x')",
            json!({"ImageRecipe": {"Arn": "arn:aws:imagebuilder:us-east-1:123456789012:image-recipe/name/1.0.0"}}),
            json!("1.0.x"),
        ),
    ] {
        let got = value(expression, &input);
        if expected.is_null() {
            assert!(got.is_err(), "{expression}: {got:?}");
        } else {
            assert_eq!(got, Ok(expected), "{expression}");
        }
    }
}

#[test]
fn a_field_has_ten_intrinsic_functions_and_no_more() {
    let nested = |count: usize| format!("{}1{}", "States.Array(".repeat(count), ")".repeat(count));
    let beside = |count: usize| format!("States.Array({})", vec!["States.UUID()"; count - 1].join(", "));
    for of in [nested, beside] {
        assert!(value(&of(10), &json!({})).is_ok(), "{}", of(10));
        let said = value(&of(11), &json!({})).unwrap_err();
        assert!(said.contains("more than 10 intrinsic functions in one field") && said.contains("JSONata"), "{said}");
    }
}

#[test]
fn chance_comes_from_the_acceptance_and_a_seed_decides() {
    let random = |expression: &str| value(expression, &json!({})).unwrap();
    for _ in 0..50 {
        assert!((1..999).contains(&random("States.MathRandom(1, 999)").as_i64().unwrap()));
    }
    assert_eq!(random("States.MathRandom(5, 6)"), 5);
    assert_eq!(random("States.MathRandom(0, 1000000, 3)"), random("States.MathRandom(0, 1000000, 3)"));
    assert_eq!(random("States.MathRandom(5, 15, 42)"), 5, "as java.util.Random draws: a guess, see Seeded");
    let uuids = random("States.Array(States.UUID(), States.UUID())");
    assert_ne!(uuids[0], uuids[1]);
    assert_eq!(uuids[0].as_str().unwrap().parse::<uuid::Uuid>().unwrap().get_version_num(), 4);
    assert_eq!(uuids, random("States.Array(States.UUID(), States.UUID())"), "the acceptance decides");
}

#[test]
fn paths_lead_as_step_functions_has_it() {
    let input = json!({"a": {"b c": [1, {"d-e": 2}]}, "list": [{"n": "x", "v": 1}, {"n": "y", "v": 2}], "Größe": 3,
        "t": {"n": "z"}, "s": "four", "ids": [9_223_372_036_854_775_809_u64, 9_223_372_036_854_775_808_u64]});
    for (path, expected) in [
        ("$", input.clone()),
        ("$.a['b c'][0]", json!(1)),
        ("$.a[\"b c\"][1].d-e", json!(2)),
        ("$['a']['b c'][-1]['d-e']", json!(2)),
        ("$.Größe", json!(3)),
        ("$.list[*].n", json!(["x", "y"])),
        ("$.list[0:1].n", json!(["x"])),
        ("$.list[-1:]", json!([{"n": "y", "v": 2}])),
        ("$.list[1,0].v", json!([2, 1])),
        ("$.list[0]['n','v']", json!(["x", 1])),
        ("$.list[?(@.n == 'y')].v", json!([2])),
        ("$.ids[?(@ == 9223372036854775809)]", json!([9_223_372_036_854_775_809_u64])),
        ("States.Format('{}/{}', $.ids[0], $.ids[1])", json!("9223372036854775809/9223372036854775808")),
        ("$.list[?(@.v >= 1 && !(@.n == 'y') || @.v in [7])].n", json!(["x"])),
        ("$.list[?(@.w)]", json!([])),
        ("$..n", json!(["x", "y", "z"])),
        ("$.t.*", json!(["z"])),
        ("$.list.length()", json!(2)),
        ("$$.Execution.Input.t.n", json!("z")),
        ("$$.Execution.Name", json!("nightly")),
        ("$$.Execution.StartTime", json!("2026-11-22T03:00:00.000Z")),
        ("$$.State.Name", json!("Run")),
        ("$$.State.RetryCount", json!(0)),
        ("$$.StateMachine.Name", json!("taskwatch")),
        ("$$.Execution.Id", json!("arn:aws:states:local:000000000000:execution:taskwatch:nightly")),
        ("$days[1]", json!(2)),
    ] {
        assert_eq!(value(path, &input), Ok(expected), "{path}");
    }
}

#[test]
fn what_has_no_value_says_why() {
    let input = json!({"a": {"b": [1]}, "secret": "s3cr3t", "long": "x".repeat(10_001)});
    for (expression, part) in [
        ("$.x", "$ has no \"x\""),
        ("$.a.c.d", "$.a has no \"c\""),
        ("$.a.b[1]", "$.a.b has no item 1"),
        ("$$.Execution.RoleArn", "$$.Execution has no \"RoleArn\""),
        ("$nights", "$nights is assigned by no state"),
        ("$.a[", "expected an index"),
        ("$.a['b'", "expected ]"),
        ("$.a['b", "a quote is not closed"),
        ("$.a.", "expected a name"),
        ("$.a.max()", "max() is no function of a path"),
        ("a.b", "begins with $"),
        ("States.Formt('x')", "did you mean States.Format?"),
        ("States.Format('{}')", "1 {} in its text and 0 values"),
        ("States.Format('{}', 1", "expected , or )"),
        ("States.ArrayRange(1, 1001, 1)", "makes 1001 items; 1000 are the most"),
        ("States.ArrayRange(1, 9, 0)", "other than 0"),
        ("States.ArrayGetItem($.a.b, 5)", "no item 5 in an array of 1"),
        ("States.ArrayPartition($.a.b, 0)", "1 or more"),
        ("States.JsonMerge($.a, $.a, true)", "shallowly"),
        ("States.StringToJson($.secret)", "JSON in a text"),
        ("States.Base64Decode($.secret)", "Base64"),
        ("States.Hash($.secret, 'SHA-3')", "not \"SHA-3\""),
        ("States.MathAdd($.secret, 1)", "takes a number as argument 1, got a string"),
        ("States.MathAdd(9223372036854775807, 1)", "from -2147483648 to 2147483647"),
        ("States.MathAdd(1, 2147483648)", "from -2147483648 to 2147483647"),
        ("States.Base64Encode($.long)", "at most 10000 characters"),
        ("States.Base64Decode($.long)", "at most 10000 characters"),
        ("States.Hash($.long, 'MD5')", "at most 10000 characters"),
        ("States.Hash($.secret, 'md5')", "not \"md5\""),
        (r"States.Format('a\b')", "a backslash in quotes stands before"),
        (r"States.StringSplit('a\nb', '\n')", "a backslash in quotes stands before"),
        ("States.MathRandom(9, 1)", "less than its end"),
        ("States.UUID(1)", "takes 0 arguments"),
        ("States.Array(1) 2", "the end of the expression"),
    ] {
        let error = value(expression, &input).unwrap_err();
        assert!(error.contains(part) && !error.contains("s3cr3t"), "{expression}: {error}");
    }
}

#[test]
fn a_template_is_evaluated_where_a_name_says_so_and_nowhere_else() {
    let input = json!({"cluster": "c"});
    let execution = Execution::new(&acceptance(), "n", &input, &Default::default());
    let (variables, meter, context) = (Map::new(), Meter::default(), execution.in_state("Run"));
    let scope = Scope {
        input: &input,
        context: &context,
        variables: &variables,
        chance: &execution.chance,
        meter: &meter,
        outcome: None,
        now: execution.now,
    };
    let made = |value: Value| {
        template(&value, "P", Language::JsonPath, &scope)
            .map_err(|e: Box<Unresolved>| format!("{}: {}", e.path, e.error))
    };
    assert_eq!(
        made(json!({"C.$": "$.cluster", "D": "$.cluster", "E": [{"F.$": "States.Array(1)"}]})),
        Ok(json!({"C": "c", "D": "$.cluster", "E": [{"F": [1]}]}))
    );
    assert!(made(json!({"a": [{"B.$": "$.none"}]})).unwrap_err().starts_with("P.a[0].B.$: $ has no"));
    assert!(made(json!({"B.$": 5})).unwrap_err().contains("as a text"));
    assert!(made(json!({"B.$": "$", "B": 1})).unwrap_err().contains("B is given as well"));
}

#[test]
fn every_comparison_of_a_choice_decides() {
    let input = json!({"s": "beta", "n": 5, "f": 5.0, "b": true, "t": "2026-11-22T03:00:00Z", "z": null, "o": "alpha", "m": 4,
        "later": "2026-11-23T00:00:00+01:00", "star": "a*b"});
    let execution = Execution::new(&acceptance(), "n", &input, &Default::default());
    let (variables, meter, context) = (Map::new(), Meter::default(), execution.in_state("Run"));
    let scope = Scope {
        input: &input,
        context: &context,
        variables: &variables,
        chance: &execution.chance,
        meter: &meter,
        outcome: None,
        now: execution.now,
    };
    let holds = |rule: Value| choice::holds(&rule, "R", &scope).map_err(|e| format!("{}: {}", e.path, e.error));
    for (variable, operator, expected, is) in [
        ("$.s", "StringEquals", json!("beta"), true),
        ("$.s", "StringEqualsPath", json!("$.o"), false),
        ("$.s", "StringLessThan", json!("gamma"), true),
        ("$.s", "StringGreaterThanPath", json!("$.o"), true),
        ("$.s", "StringLessThanEquals", json!("beta"), true),
        ("$.s", "StringGreaterThanEquals", json!("c"), false),
        ("$.s", "StringMatches", json!("b*a"), true),
        ("$.s", "StringMatches", json!("b*ta*x"), false),
        ("$.star", "StringMatches", json!("a\\*b"), true),
        ("$.s", "StringMatches", json!("b\\*a"), false),
        ("$.n", "NumericEquals", json!(5.0), true),
        ("$.f", "NumericEqualsPath", json!("$.n"), true),
        ("$.n", "NumericLessThan", json!(5), false),
        ("$.n", "NumericLessThanEquals", json!(5), true),
        ("$.n", "NumericGreaterThanPath", json!("$.m"), true),
        ("$.n", "NumericGreaterThanEquals", json!(6), false),
        ("$.s", "NumericEquals", json!(5), false),
        ("$.n", "StringEquals", json!("5"), false),
        ("$.b", "BooleanEquals", json!(true), true),
        ("$.t", "TimestampEquals", json!("2026-11-22T04:00:00+01:00"), true),
        ("$.t", "TimestampLessThanPath", json!("$.later"), true),
        ("$.t", "TimestampGreaterThanEquals", json!("2027-01-01T00:00:00Z"), false),
        ("$.z", "IsNull", json!(true), true),
        ("$.z", "IsPresent", json!(true), true),
        ("$.none", "IsPresent", json!(false), true),
        ("$.none.deeper", "IsPresent", json!(true), false),
        ("$.n", "IsNumeric", json!(true), true),
        ("$.s", "IsString", json!(false), false),
        ("$.b", "IsBoolean", json!(true), true),
        ("$.t", "IsTimestamp", json!(true), true),
        ("$.s", "IsTimestamp", json!(true), false),
    ] {
        let rule = json!({"Variable": variable, operator: expected, "Next": "X"});
        assert_eq!(holds(rule.clone()), Ok(is), "{rule}");
        assert_eq!(holds(json!({"Not": rule})), Ok(!is), "not {rule}");
        assert_eq!(holds(json!({"And": [rule, {"Variable": "$.b", "BooleanEquals": true}]})), Ok(is));
        assert_eq!(holds(json!({"Or": [rule, {"Variable": "$.b", "BooleanEquals": false}]})), Ok(is));
    }
    for (rule, part) in [
        (json!({"Variable": "$.none", "StringEquals": "x"}), "R.Variable: $ has no \"none\""),
        (json!({"Variable": "$.s", "StringEqual": "x"}), "did you mean StringEquals?"),
        (json!({"Variable": "$.s", "StringEquals": "x", "IsNull": true}), "one comparison in a rule, got 2"),
        (json!({"Variable": "$.s"}), "one comparison in a rule, got 0"),
        (json!([]), "a rule (an object)"),
    ] {
        let error = holds(rule.clone()).unwrap_err();
        assert!(error.contains(part), "{rule}: {error}");
    }
}

#[test]
fn work_without_end_is_ended() {
    let mut deep = json!({});
    for _ in 0..100 {
        deep = json!({"a": [deep.clone(), 1]});
    }
    let wide = json!({"a": vec![json!({"b": "x".repeat(100)}); 2000], "deep": deep});
    let many = format!("States.Array({}1)", "$.a, ".repeat(50));
    let nested = format!("{}1{}", "States.Array(".repeat(500), ")".repeat(500));
    for expression in [
        "$..*..*..*..*",
        "$.a[?(@..b == $..b)]",
        &many,
        &nested,
        &format!("$.a[?({}@.b{})]", "(".repeat(100_000), ")".repeat(100_000)),
        &format!("$.a[?({}@.b)]", "!".repeat(100_000)),
        &format!("$.a{}", "[?(@.b".repeat(100_000)),
        &format!("${}", ".a".repeat(100_000)),
    ] {
        assert!(value(expression, &wide).is_err(), "{}", &expression[..20]);
    }
}

/// Expressions of the language's own pieces, in any order.
fn expressions() -> impl Strategy<Value = String> {
    let pieces = [
        "$",
        "$$",
        ".",
        "..",
        "a",
        "[",
        "]",
        "0",
        "-1",
        ":",
        ",",
        "*",
        "?(",
        "@",
        ")",
        "'",
        "\"",
        "\\",
        "States.",
        "Format(",
        "Array(",
        "ArrayRange(",
        "StringSplit(",
        "UUID()",
        "{}",
        " ",
        "==",
        "&&",
        "||",
        "!",
        "in ",
        "true",
        "1e308",
        "é",
        ".length()",
        "JsonToString(",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_expression_panics(expression in expressions()) {
        let _ = value(&expression, &json!({"a": [{"a": "x"}, 1, null], "é": {}}));
    }

    #[test]
    fn no_text_panics(expression in "\\PC*", head in prop::sample::select(vec!["", "$.a[?(", "States.Format('", "States.Hash("])) {
        let _ = value(&format!("{head}{expression}"), &json!({"a": [1]}));
    }
}
