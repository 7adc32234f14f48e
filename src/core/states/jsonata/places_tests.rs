//! `%`, `@`, `#` and `|…|…|`: the answers are those of JSONata 2.0.6 itself (the package of npm).

use serde_json::{Value, json};

use super::tests::{all_are, value};

fn input() -> Value {
    json!({"bucket": "in", "orders": [{"id": "a", "price": 10.5, "tags": ["x", "y"], "lines": [{"sku": 1, "n": 2}, {"sku": 2, "n": 1}]}, {"id": "b", "price": 99, "tags": ["y"], "lines": [{"sku": 1, "n": 5}]}, {"id": "c", "price": 7, "tags": [], "lines": []}], "skus": [{"sku": 1, "name": "bolt", "in": {"bin": "B1"}}, {"sku": 2, "name": "nut", "in": {"bin": "B2"}}], "customer": {"firstName": "Martha", "last name": "Rivera", "secret": "x"}, "tree": {"name": "r", "kids": [{"name": "k1", "kids": [{"name": "k11"}]}, {"name": "k2"}]}})
}

#[test]
fn parents_joins_positions_and_transforms_are_those_of_jsonata() {
    all_are(
        &[
            (
                "$states.input.orders.lines.{'of': %.id, 'sku': sku}",
                json!([{"of": "a", "sku": 1}, {"of": "a", "sku": 2}, {"of": "b", "sku": 1}]),
            ),
            ("$states.input.orders.lines[n > 1].%.id", json!(["a", "b"])),
            ("$states.input.orders.lines.sku.%.%.id", json!(["a", "a", "b"])),
            ("$states.input.orders.lines[%.price > 50].sku", json!(1)),
            ("$states.input.orders.lines[%.%.bucket = 'in'].n", json!([2, 1, 5])),
            ("$states.input.orders.(lines.sku).%.%.id", json!(["a", "a", "b"])),
            ("$states.input.orders.lines^(%.price).n", json!([2, 1, 5])),
            ("$states.input.orders.lines.$join([%.id, $string(sku)], '/')", json!(["a/1", "a/2", "b/1"])),
            ("$states.input.orders.lines.n[%.sku = 1].%.%.id", json!(["a", "b"])),
            ("$states.input.orders.lines.%.lines.%.id", json!(["a", "a", "a", "a", "b"])),
            ("$states.input.orders.lines.(n%sku)", json!([0, 1, 0])),
            ("$states.input.orders#$i[price > 8].($string($i) & id)", json!(["0a", "1b"])),
            ("$states.input.orders[price > 8]#$i.($string($i) & id)", json!(["0a", "1b"])),
            ("$states.input.orders#$i[1].($string($i) & id)", json!("1b")),
            (
                "$states.input.orders#$i.lines#$j.{'i': $i, 'j': $j, 'sku': sku}",
                json!([{"i": 0, "j": 0, "sku": 1}, {"i": 0, "j": 1, "sku": 2}, {"i": 1, "j": 0, "sku": 1}]),
            ),
            (
                "$states.input.orders^(price)#$i.{'i': $i, 'id': id}",
                json!([{"i": 0, "id": "c"}, {"i": 1, "id": "a"}, {"i": 2, "id": "b"}]),
            ),
            ("$states.input.orders#$i^(>price).($string($i) & id)", json!(["1b", "0a", "2c"])),
            (
                "$states.input.orders#$i.lines{$string(sku): {'n': $sum(n), 'orders': $i}}",
                json!({"1": {"n": 7, "orders": [0, 1]}, "2": {"n": 1, "orders": 0}}),
            ),
            ("$states.input.orders[0]#$i.id[]", json!(["a"])),
            ("$states.input.orders@$o.$o.id", json!(["a", "b", "c"])),
            (
                "$states.input@$r.$r.orders@$o.$r.skus@$s[$s.sku in $o.lines.sku].{'o': $o.id, 's': $s.name}",
                json!([{"o": "a", "s": "bolt"}, {"o": "a", "s": "nut"}, {"o": "b", "s": "bolt"}]),
            ),
            (
                "$states.input.orders.lines@$l.%.%.skus@$s[$s.sku = $l.sku].{'n': $l.n, 'name': $s.name}",
                json!([{"n": 2, "name": "bolt"}, {"n": 1, "name": "nut"}, {"n": 5, "name": "bolt"}]),
            ),
            (
                "$states.input.(orders@$o#$i.skus@$s#$j[$s.sku = $i].{'i': $i, 'j': $j})",
                json!([{"i": 1, "j": 0}, {"i": 2, "j": 1}]),
            ),
            ("$states.input.orders@$o^($o.price).$o.id", json!(["c", "a", "b"])),
            ("$states.input.orders.lines@$a@$b.$b.sku", json!([1, 2, 1])),
            ("$states.input.customer ~> |$|{}, 'secret'|", json!({"firstName": "Martha", "last name": "Rivera"})),
            (
                "$states.input.customer ~> |$|{'full': firstName & ' ' & `last name`}, ['firstName', 'last name']|",
                json!({"secret": "x", "full": "Martha Rivera"}),
            ),
            (
                "$states.input.tree ~> |**[name]|{'name': $uppercase(name)}|",
                json!({"name": "R", "kids": [{"name": "K1", "kids": [{"name": "K11"}]}, {"name": "K2"}]}),
            ),
            (
                "$states.input.tree ~> |kids.kids|{'deep': true}| ~> |kids|{'kids2': kids}|",
                json!({"name": "r", "kids": [{"name": "k1", "kids": [{"name": "k11", "deep": true}], "kids2": [{"name": "k11", "deep": true}]}, {"name": "k2"}]}),
            ),
            (
                "$states.input.tree ~> |kids[0]|{'up': name}, name|",
                json!({"name": "r", "kids": [{"name": "k1", "kids": [{"name": "k11"}], "up": "k1"}, {"name": "k2"}]}),
            ),
            ("($states.input ~> |orders.lines|{'sku': sku + 1}|).orders.lines.sku", json!([2, 3, 2])),
            (
                "$map($states.input.orders, |$|{}, ['lines', 'tags']|)",
                json!([{"id": "a", "price": 10.5}, {"id": "b", "price": 99}, {"id": "c", "price": 7}]),
            ),
            ("($t := |customer|{'a': $q}|; $q := 3; $t($states.input).customer.a)", json!(3)),
            (
                "$states.input.tree ~> |nowhere|{'b': 1}|",
                json!({"name": "r", "kids": [{"name": "k1", "kids": [{"name": "k11"}]}, {"name": "k2"}]}),
            ),
        ],
        &input(),
    );
}

#[test]
fn what_leads_nowhere_there_is_refused() {
    for (expression, part) in [
        ("$states.%", "the parent operator % leads nowhere here"),
        ("$states.input.orders.lines{%.id: sku}", "in a group it does not"),
        ("$states.input.orders.lines.(%.id ~> $uppercase)", "behind ~>"),
        ("$states.input.orders.lines.$map([1], function($x) { %.id })", "in a function"),
        ("$states.input ~> |orders.lines|{'id': %.id}|", "the parent operator %"),
        ("$states.input.orders[0]@$o.id", "@$o goes before a filter [ ], not behind it"),
        ("$states.input.orders^(price)@$o.id", "@$o goes before ^( ), not behind it"),
        ("$states.input.orders@o", "a variable, such as $item"),
        ("$states.input.orders#1", "a variable, such as $item"),
        ("$states.input ~> |orders|'x'|", "the second part of |…|…| is an object, got a string"),
        ("$states.input ~> |orders|{}, 1|", "the third part of |…|…| is names of members, got a number"),
        ("$states.input ~> |bucket|{'a': 1}|", "the first part of |…|…| leads to objects, got a string"),
        ("$states.input.bucket ~> |a|{}|", "|…|…| changes an object or an array, got a string"),
        ("$states.input ~> |orders|", "expected a value"),
        ("$states.input.orders#$i.{'n': $j.k}.n", "the variable $j is assigned by no state"),
    ] {
        let said = match value(expression, &input()) {
            Err(said) => said,
            Ok(got) => panic!("{expression}: {got}"),
        };
        assert!(said.contains(part) && !said.contains('\n'), "{expression}: {said}");
    }
}

#[test]
fn transforms_and_joins_without_end_are_ended() {
    let deep = "$reduce([1..300], function($o, $n) { $o ~> |$|{'o': $}| }, $states.input.customer)";
    let many = "( $o := $states.input; $o ~> |$.customer|{'up': $o}| ~> |**[$type($) = 'object']|{'x': $o}| ~> |**[$type($) = 'object']|{'y': $o}| ~> |**[$type($) = 'object']|{'z': $o}| )";
    for (expression, part) in [
        (deep, "nested more than 200 levels"),
        (many, "4 MiB"),
        ("[1..2000].$@$a.[1..2000]@$b.$b", "4 MiB"),
        ("$count($states.input.**@$a.**@$b.**@$c.**@$d.$d)", "4 MiB"),
    ] {
        let said = value(expression, &input()).unwrap_err();
        assert!(said.contains(part), "{expression}: {said}");
    }
}

#[test]
fn integers_that_no_float_names_keep_their_digits() {
    let input = json!({"id": 9_007_199_254_740_993_i64, "below": -9_007_199_254_740_993_i64,
        "ids": [9_007_199_254_740_993_i64, 9_007_199_254_740_992_i64, 18_446_744_073_709_551_615_u64],
        "of": {"id": 1_234_567_890_123_456_789_i64}});
    all_are(
        &[
            ("$states.input.id", json!(9_007_199_254_740_993_i64)),
            ("$string($states.input.id) & '/' & $states.input.below", json!("9007199254740993/-9007199254740993")),
            ("$string($states.input.of)", json!("{\"id\":1234567890123456789}")),
            (
                "$join($states.input.ids.$string(), ',')",
                json!("9007199254740993,9007199254740992,18446744073709551615"),
            ),
            ("$max($states.input.ids)", json!(18_446_744_073_709_551_615_u64)),
            ("$min($states.input.ids)", json!(9_007_199_254_740_992_i64)),
            ("$count($distinct($states.input.ids))", json!(3)),
            ("$states.input.ids[$ = 9007199254740993]", json!(9_007_199_254_740_993_i64)),
            ("$sort($states.input.ids)[0] = 9007199254740992", json!(true)),
            ("$parse('{\"a\": 9007199254740993}').a", json!(9_007_199_254_740_993_i64)),
            ("$number('9007199254740993') = $states.input.id", json!(true)),
            ("($states.input ~> |of|{'n': id}|).of.n", json!(1_234_567_890_123_456_789_i64)),
            ("-$states.input.id = $states.input.below", json!(true)),
            ("{'a': [$states.input.id]}", json!({"a": [9_007_199_254_740_993_i64]})),
            ("-18446744073709551615 < 0 and $states.input.id + 1 > 9007199254740991", json!(true)),
        ],
        &input,
    );
}
