//! Step Functions' own functions, as its test-state answers.

use serde_json::json;

use super::tests::{all_are, input};

#[test]
fn roundings_seeds_and_what_gives_nothing_are_those_of_step_functions() {
    all_are(
        &[
            ("$random(42)", json!(0.727_563_680_032_868_1)),
            ("$random(0.9) = $random(0)", json!(true)),
            ("$partition([1,2,3])", json!([[1, 2, 3]])),
            ("$partition([1,2,3,4,5], 2.9)", json!([[1, 2], [3, 4], [5]])),
            (
                "[$exists($partition([], 2)), $exists($partition([1], 0)), $exists($partition([1], -0.5))]",
                json!([false, false, false]),
            ),
            ("$range(1.7, 5, 1)", json!([1, 2, 3, 4, 5])),
            ("$range(-1.7, 2, 1)", json!([-1, 0, 1, 2])),
            ("$range(5, 1, -1.5)", json!([5, 4, 3, 2, 1])),
            ("$range(3, 3, 1)", json!(3)),
            (
                "[$exists($range(5, 1, 1)), $exists($range(1, 5, 0)), $exists($range(1, 5))]",
                json!([false, false, false]),
            ),
            ("[$exists($hash('a')), $exists($parse()), $exists($parse('null'))]", json!([false, false, true])),
            ("$hash('ñ', 'MD5')", json!("94e9342ecbb1458b6043ecd3bfcbc192")),
            ("$parse('{\"a\": {\"b\": [1, 2]}}').a.b[1]", json!(2)),
            ("$map(['{\"a\":1}', '{\"a\":2}'], $parse).a", json!([1, 2])),
            ("$parse('[1.0, 1e2, 1.5]')", json!([1, 100, 1.5])),
            (
                "$string(1e19) & ' ' & $string(1.5e20) & ' ' & $string(1e21) & ' ' & $string(-1e21)",
                json!("10000000000000000000 150000000000000000000 1e+21 -1e+21"),
            ),
            ("$string(1e-6) & ' ' & $string(1e-7) & ' ' & $string(1/3)", json!("0.000001 1e-7 0.333333333333333")),
            ("$round(12.345 * 100)", json!(1234)),
        ],
        &input(),
    );
}
