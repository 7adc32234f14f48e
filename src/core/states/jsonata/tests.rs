//! Values in, value out; and that no expression panics or goes on without end.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::core::states::{Acceptance, Execution, Meter};

pub(super) fn value(expression: &str, input: &Value) -> Result<Value, String> {
    let now = crate::core::time::Timestamp::parse("2026-11-22T03:04:05.678Z").unwrap();
    let acceptance = Acceptance::new(now, uuid::Uuid::from_u128(7));
    let execution = Execution::new(&acceptance, "nightly", input, &Default::default());
    let variables = Map::from_iter([("day".to_owned(), json!("Sunday")), ("sizes".to_owned(), json!([3, 1, 2]))]);
    let (meter, context, result) = (Meter::default(), execution.in_state("Run"), json!({"TaskArn": "t"}));
    let scope = Scope {
        input,
        context: &context,
        variables: &variables,
        outcome: Some(("result", &result)),
        now,
        chance: &execution.chance,
        meter: &meter,
    };
    evaluate(expression, &scope).map_err(|error| error.to_string())
}

pub(super) fn all_are(cases: &[(&str, Value)], input: &Value) {
    for (expression, expected) in cases {
        assert_eq!(value(expression, input).as_ref(), Ok(expected), "{expression}");
    }
}

pub(super) fn input() -> Value {
    json!({
        "bucket": "in", "count": 3, "none": null, "empty": [], "one": [{"a": 1}],
        "customer": {"firstName": "Martha", "last name": "Rivera"},
        "orders": [
            {"id": "a", "price": 10.5, "tags": ["x", "y"], "lines": [{"sku": 1, "n": 2}, {"sku": 2, "n": 1}]},
            {"id": "b", "price": 99, "tags": ["y"], "lines": [{"sku": 1, "n": 5}]},
            {"id": "c", "price": 7, "tags": [], "lines": []}
        ]
    })
}

#[test]
fn step_functions_own_functions_answer_as_its_documentation_says() {
    all_are(
        &[
            ("$partition([1,2,3,4,5,6,7,8,9], 4)", json!([[1, 2, 3, 4], [5, 6, 7, 8], [9]])),
            ("$range(0, 10, 2)", json!([0, 2, 4, 6, 8, 10])),
            ("$range(3, 1, -1)", json!([3, 2, 1])),
            ("$hash('input data', 'SHA-1')", json!("aaff4a450a104cd177d28d18d74485e8cae074b7")),
            ("$parse('{\"foo\": \"bar\"}')", json!({"foo": "bar"})),
            ("$random(7) = $random(7) and $random() >= 0 and $random() < 1 and $random() != $random()", json!(true)),
            ("$length($uuid()) = 36 and $uuid() != $uuid()", json!(true)),
            ("$states.input.customer.firstName", json!("Martha")),
            ("$states.context.Execution.Name & '/' & $states.context.State.Name", json!("nightly/Run")),
            ("$states.result.TaskArn", json!("t")),
            ("'Hello ' & $states.input.customer.firstName & ', it is ' & $day", json!("Hello Martha, it is Sunday")),
            ("$now()", json!("2026-11-22T03:04:05.678Z")),
            ("$millis()", json!(1_795_316_645_678_i64)),
            (
                "( $bucket := $states.input.bucket; 's3://' & $bucket & '/' & $now('[Y0001]/[M01]/[D01]') )",
                json!("s3://in/2026/11/22"),
            ),
        ],
        &input(),
    );
}

#[test]
fn paths_filters_and_constructors() {
    all_are(
        &[
            ("$states.input.orders.id", json!(["a", "b", "c"])),
            ("$states.input.orders[0].id", json!("a")),
            ("$states.input.orders[-1].id", json!("c")),
            ("$states.input.orders[price > 10].id", json!(["a", "b"])),
            ("$states.input.orders[price > 50].id", json!("b")),
            ("$states.input.orders[price > 50].id[]", json!(["b"])),
            ("$states.input.orders[[0, 2]].id", json!(["a", "c"])),
            ("$states.input.orders['y' in tags].id", json!(["a", "b"])),
            ("$states.input.orders.lines[n > 1].sku", json!([1, 1])),
            ("$states.input.(orders.lines)[0]", json!({"sku": 1, "n": 2})),
            ("$states.input.customer.`last name`", json!("Rivera")),
            ("$states.input.customer.\"last name\"", json!("Rivera")),
            ("$states.input.customer.*", json!(["Martha", "Rivera"])),
            ("$states.input.**.sku", json!([1, 2, 1])),
            ("$states.input.orders^(>price).id", json!(["b", "a", "c"])),
            ("$states.input.orders^(price)[0].id", json!("c")),
            (
                "$states.input.orders.{'name': id, 'value': $string(price)}",
                json!([{"name": "a", "value": "10.5"}, {"name": "b", "value": "99"}, {"name": "c", "value": "7"}]),
            ),
            ("$states.input.orders{id: price}", json!({"a": 10.5, "b": 99, "c": 7})),
            ("$states.input.orders.lines{$string(sku): $sum(n)}", json!({"1": 7, "2": 1})),
            ("[$states.input.one]", json!([{"a": 1}])),
            ("[[1, 2], 3, [4]]", json!([[1, 2], 3, [4]])),
            ("[1..3, 7]", json!([1, 2, 3, 7])),
            ("{'a': $states.input.nowhere, 'b': null}", json!({"b": null})),
            ("$sizes[$ > 1]", json!([3, 2])),
            ("$states.input.none", json!(null)),
            ("$states.input.empty", json!([])),
        ],
        &input(),
    );
}

#[test]
fn operators_conditions_variables_and_functions_of_the_user() {
    all_are(
        &[
            ("1 + 2 * 3 - 4 / 2 % 3", json!(5)),
            ("-(1 + 2)", json!(-3)),
            ("0.1 + 0.2 = 0.3 or 1 = 1.0", json!(true)),
            ("$states.input.count >= 3 and $not($states.input.nowhere = 1)", json!(true)),
            ("$states.input.nowhere = 1", json!(false)),
            ("{'a': [1, {'b': 2}]} = {'a': [1, {'b': 2}]}", json!(true)),
            ("$states.input.count > 5 ? 'many' : $states.input.count > 1 ? 'some' : 'one'", json!("some")),
            ("( $square := function($x) { $x * $x }; $map($sizes, $square) )", json!([9, 1, 4])),
            ("( $fact := function($n) { $n <= 1 ? 1 : $n * $fact($n - 1) }; $fact(10) )", json!(3_628_800)),
            ("( $add := function($a, $b) { $a + $b }; $inc := $add(1, ?); $inc(2) )", json!(3)),
            ("( $both := $trim ~> $uppercase; '  a  b ' ~> $both )", json!("A B")),
            ("$filter($sizes, function($v, $i) { $i > 0 })", json!([1, 2])),
            ("$reduce($sizes, function($a, $b) { $a + $b }, 10)", json!(16)),
            ("$single($sizes, function($v) { $v = 3 })", json!(3)),
            ("$sort($sizes, function($l, $r) { $l < $r })", json!([3, 2, 1])),
            ("$each({'a': 1, 'b': 2}, function($v, $k) { $k & $v })", json!(["a1", "b2"])),
            ("$sift({'a': 1, 'b': 2}, function($v) { $v > 1 })", json!({"b": 2})),
            ("/* a comment */ $map([1, 2], λ($x) { $x + 1 })", json!([2, 3])),
        ],
        &input(),
    );
}

#[test]
fn the_library_of_texts_numbers_lists_and_times() {
    all_are(
        &[
            ("$string({'b': [1.5, null], 'a': true})", json!("{\"a\":true,\"b\":[1.5,null]}")),
            (
                "$string(1e21) & ' ' & $string(1e-7) & ' ' & $string(0.1 + 0.2) & ' ' & 100000",
                json!("1e+21 1e-7 0.3 100000"),
            ),
            ("$substring('hello', 1, 3) & $substring('hello', -2) & $length('héllo')", json!("elllo5")),
            ("$substringBefore('a/b', '/') & $substringAfter('a/b', '/')", json!("ab")),
            ("$pad('7', -3, '0') & '|' & $pad('x', 3) & '|'", json!("007|x  |")),
            ("$split('a,b,,c', ',')", json!(["a", "b", "", "c"])),
            ("$split('a1b22c', /[0-9]+/)", json!(["a", "b", "c"])),
            ("$join(['a', 'b'], '-')", json!("a-b")),
            ("$replace('2026-11-22', /(\\d+)-(\\d+)-(\\d+)/, '$3.$2.$1')", json!("22.11.2026")),
            ("$replace('abc', /b/, function($m) { $uppercase($m.match) })", json!("aBc")),
            ("$match('s3://in/key', /s3:\\/\\/([^\\/]+)\\/(.*)/).groups", json!(["in", "key"])),
            ("$contains('etl-nightly', /^ETL/i)", json!(true)),
            (
                "$base64decode($base64encode('ä')) & $encodeUrlComponent('a b&c') & $decodeUrl('%41%2F')",
                json!("äa%20b%26cA%2F"),
            ),
            ("$number('0x1F') + $number('12.5') + $number(true)", json!(44.5)),
            (
                "[$round(2.5), $round(3.5), $round(1.005, 2), $floor(-1.5), $ceil(1.2), $abs(-2), $sqrt(9), $power(2, 10)]",
                json!([2, 4, 1, -2, 2, 2, 3, 1024]),
            ),
            ("[$sum([1, 2.5]), $max([1, 3]), $min([1, 3]), $average([1, 2])]", json!([3.5, 3, 1, 1.5])),
            (
                "$formatNumber(1234567.891, '#,##0.00') & ' ' & $formatNumber(0.14, '0%') & ' ' & $formatNumber(-5, '000')",
                json!("1,234,567.89 14% -005"),
            ),
            (
                "$formatInteger(42, '0000') & $formatInteger(1234567, '#,##0') & $formatBase(255, 16)",
                json!("00421,234,567ff"),
            ),
            ("[$count([1, 2]), $count($states.input.nowhere), $count('x')]", json!([2, 0, 1])),
            ("$append([1], [2, 3])", json!([1, 2, 3])),
            ("[$distinct([1, 1, 2]), $reverse([1, 2])]", json!([1, 2, 2, 1])),
            ("$zip([1, 2], ['a', 'b', 'c'])", json!([[1, "a"], [2, "b"]])),
            ("$keys({'b': 1, 'a': 2})", json!(["a", "b"])),
            ("$merge([{'a': 1}, {'b': 2, 'a': 3}])", json!({"a": 3, "b": 2})),
            ("$spread({'a': 1, 'b': 2})", json!([{"a": 1}, {"b": 2}])),
            (
                "$lookup({'a': 1}, 'a') & $type([]) & $type(null) & $exists($states.input.nowhere)",
                json!("1arraynullfalse"),
            ),
            (
                "$toMillis('2026-11-22T03:00:00+01:00') & ' ' & $toMillis('22.11.2026', '[D01].[M01].[Y0001]')",
                json!("1795312800000 1795305600000"),
            ),
            (
                "$fromMillis(1795316645678, '[FNn], [D1] [MNn,3-3] [Y] [h]:[m01] [P] [Z]', '+0530')",
                json!("Sunday, 22 Nov 2026 8:34 am +05:30"),
            ),
            ("$sort(['b', 'a']) ~> $join('')", json!("ab")),
        ],
        &input(),
    );
}

#[test]
fn what_has_no_value_or_is_not_evaluated_is_said_by_name() {
    for (expression, part) in [
        ("$states.input.nowhere", "has no value: something in it leads nowhere"),
        ("customer.firstName", "the input is $states.input"),
        ("$$.customer", "has no value"),
        ("$clster", "the variable $clster is assigned by no state before this one"),
        (
            "( $own := $day; $map([], function($x, $y) { $x & $y & $own & $clster }) )",
            "the variable $clster is assigned",
        ),
        ("( $own := $day; $map([], function($x, $y) { $x & $y & $own }) )", "leads nowhere"),
        ("$eval('1')", "$eval is not there in Step Functions; $parse"),
        ("$upercase('a')", "$upercase is no function; did you mean $uppercase?"),
        ("uppercase('a')", "did you mean $uppercase?"),
        ("$states.input.count ?: 1", "?: and ??, which are no operators of JSONata 2.0.6"),
        ("function($x)<n:n>{ $x }", "the signature of a function"),
        ("$contains('a', /(?=a)/)", "look-ahead in a regular expression"),
        ("$contains('aa', /(a)\\1/)", "a reference back to a group"),
        ("$formatInteger(4, 'w')", "$formatInteger takes pictures of digits here"),
        ("$now('[Dwo]')", "[Dwo] in a picture of a time is not evaluated here"),
        ("function($x) { $x }", "gives a function, which is no JSON"),
        ("1 + 'a'", "+ takes numbers, got a string"),
        ("1 < 'a'", "< compares two numbers or two strings, got a number and a string"),
        ("1 / 0", "a division by 0"),
        ("$lowercase(1)", "$lowercase takes a string as argument 1, got a number"),
        ("$hash('a', 'MD4')", "$hash knows MD5"),
        ("$hash('a', 'md5')", "$hash knows MD5"),
        ("$hash(42, 'MD5')", "$hash takes a string as argument 1"),
        ("$partition([1], -1)", "$partition takes a size of 0 or more"),
        ("$parse(null)", "$parse takes a string"),
        ("$parse('')", "$parse takes JSON"),
        ("$parse('{}{}')", "$parse takes JSON"),
        ("$parse('1e400')", "$parse takes JSON"),
        ("$range(1)", "$range takes"),
        ("$uuid('seed')", "$uuid takes"),
        ("$parse('{')", "$parse takes JSON in a text: line 1"),
        ("$error('no ' & 'luck')", "$error was called: no luck"),
        ("$assert(1 = 2, 'never')", "$assert does not hold: never"),
        ("{1: 2}", "the names of an object are strings, got a number"),
        ("'it\\'s'", "a quote goes into a text of the other kind"),
        ("$states.input.", "expected a value at character 15, got the end"),
        ("1 2", "expected the end of the expression at character 3"),
        ("", "the expression is empty"),
        ("$number($day)", "$number takes a number in a string, which this is not"),
    ] {
        let said = value(expression, &input()).unwrap_err();
        assert!(said.contains(part) && !said.contains('\n'), "{expression}: {said}");
        assert!(!said.contains("Sunday"), "a value may be a secret: {said}");
    }
}

#[test]
fn work_and_memory_without_end_are_ended() {
    let grown = "( $f := function($s, $n) { $n = 0 ? $s : $f($s & $s, $n - 1) }; $length($f('xxxxxxxx', 40)) )";
    let chain = (0..300).map(|n| format!(" + {n}")).collect::<String>();
    for (expression, part) in [
        ("[1..10000000]", "4 MiB"),
        ("$length($pad('x', 1000000000))", "4 MiB"),
        ("$length($replace($pad('a', 200000, 'a'), /a/, $pad('b', 20000, 'b')))", "4 MiB"),
        ("$count([1..100000].[1..100000])", "4 MiB"),
        (grown, "4 MiB"),
        ("( $f := function() { $f() }; $f() )", "levels deep"),
        ("( $f := function($x) { $map([1, 2], $f) }; $f(1) )", "levels deep"),
        ("$reduce([1..1000], function($a, $b) { [[$a]] })", "nested more than 200 levels"),
        ("$reduce([1..1000], function($a, $b) { [$a[0] ~> $trim] }, [$trim])", "nested more than 200 levels"),
        (
            "( $p := function($a, $b) { 1 }; $reduce([1..1000], function($q, $b) { [$p(?, $q[0])] }, [$p]) )",
            "nested more than 200",
        ),
        ("$range(0, 1e12, 1)", "4 MiB"),
        ("$contains($pad('a', 1000000, 'a'), /(a*)*b/)", "4 MiB"),
        ("$match('aaa', /x*/)", "fits no characters at all"),
        ("$contains('a', /((a{99}){99}){99}/)", "too large"),
        (&format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000)), "levels within each other"),
        (&format!("1{chain}"), "levels within each other"),
        (&format!("{}1", "-".repeat(100_000)), "levels within each other"),
        (&"a[".repeat(100_000), "levels within each other"),
        (&"f(".repeat(100_000), "levels within each other"),
    ] {
        let said = value(expression, &json!({})).unwrap_err();
        assert!(said.contains(part), "{}: {said}", expression.chars().take(80).collect::<String>());
    }
    // A list of as many as a machine needs is no trouble.
    assert_eq!(value("$count([1..10000].{'n': $})", &json!({})), Ok(json!(10_000)));
}

/// Expressions of the language's own pieces, in any order.
fn expressions() -> impl Strategy<Value = String> {
    let pieces = [
        "$",
        "$$",
        "$states",
        ".",
        "input",
        "orders",
        "a",
        "[",
        "]",
        "[]",
        "(",
        ")",
        "{",
        "}",
        "0",
        "1",
        "-1",
        "1e308",
        "'x'",
        "'é'",
        ",",
        ":",
        ";",
        "?",
        "~>",
        "^(",
        ">",
        "<",
        "=",
        "&",
        "+",
        "-",
        "*",
        "**",
        "/",
        "%",
        "..",
        ":=",
        "!=",
        " in ",
        " and ",
        " or ",
        "function($x){",
        "λ($x, $y){",
        "$x",
        "/a|b/",
        "/(\\w)+/i",
        "null",
        "true",
        "$map(",
        "$filter(",
        "$reduce(",
        "$sort(",
        "$string(",
        "$split(",
        "$replace(",
        "$match(",
        "$pad(",
        "$substring(",
        "$toMillis(",
        "$fromMillis(",
        "'[Y0001]-[MNn,3-3]'",
        "$formatNumber(",
        "'#,##0.00'",
        "$formatBase(",
        "$number(",
        "$partition(",
        "$range(",
        "$parse('[[1]]')",
        "$random()",
        "$zip(",
        "$each(",
        "$spread(",
        "$states.input.orders",
        "`last name`",
        "\"",
        "'",
        "`",
        "/*",
        "*/",
        "\\",
        "#",
        "@",
        "|",
        "é",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_expression_panics(expression in expressions()) {
        let _ = value(&expression, &input());
    }

    #[test]
    fn no_text_panics(text in "\\PC*", head in prop::sample::select(vec!["", "$states.", "'", "/", "$now('", "$formatNumber(1,'", "$split('a',/"])) {
        let _ = value(&format!("{head}{text}"), &input());
    }

    #[test]
    fn numbers_are_written_as_they_read(number in any::<f64>()) {
        prop_assume!(number.is_finite());
        let text = json::number_text(number);
        prop_assert_eq!(text.parse::<f64>().ok(), Some(number), "{}", text);
    }
}
