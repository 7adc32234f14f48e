//! Configurations of our own, in the shapes that people write.

use serde_json::json;

use super::*;

#[test]
fn machines_are_read_out_of_texts_and_out_of_jsonencode() {
    let heredoc = "resource \"aws_sfn_state_machine\" \"load\" {\n  name = \"load\"\n  definition = <<-EOF\n    {\n      \"StartAt\": \"Run\", // first\n      \
                   \"States\": {\"Run\": {\"Cluster\": \"${aws_ecs_cluster.main.arn}\", \"Subnets\": ${jsonencode(var.subnets)}}}\n    }\n  EOF\n}\n";
    assert!(is_configuration(heredoc));
    let expected = json!({"StartAt": "Run", "States": {"Run": {"Cluster": "${aws_ecs_cluster.main.arn}", "Subnets": "${jsonencode(var.subnets)}"}}});
    assert_eq!(machines(heredoc).unwrap(), [expected]);
    let encoded = r#"
locals {
  tags = jsonencode({ Team = "a" })
}
resource "aws_sfn_state_machine" "load" {
  definition = jsonencode({
    StartAt = "Run" # the first
    States = {
      Run = {
        Type = "Task", "Resource" : "arn:aws:states:::ecs:runTask.sync"
        End  = true
        Retry = [{ ErrorEquals = ["States.ALL"], MaxAttempts = 3, BackoffRate = 1.5 }]
        Parameters = {
          Cluster = aws_ecs_cluster.main.arn
          TaskDefinition = "${aws_ecs_task_definition.etl.family}:${var.revision["etl"]}"
          Subnets = [for s in aws_subnet.private : s.id]
          SecurityGroups = [aws_security_group.task.id, var.public ? "sg-1" : "sg-2",]
          Command = ["say", "\"$${HOME}\"\n"]
          /* by the input */
          "Name.$" = "States.Format('{}', $.name)"
          Environment = concat(local.environment, [{ Name = "A", Value = "b" }])
          Text = "a" == "b" ? "c" : "d"
        }
      }
    }
  })
}
"#;
    let read = machines(encoded).unwrap();
    let run = &read[0]["States"]["Run"];
    assert_eq!((read.len(), &read[0]["StartAt"], &run["End"]), (1, &json!("Run"), &json!(true)));
    assert_eq!(run["Retry"], json!([{"ErrorEquals": ["States.ALL"], "MaxAttempts": 3, "BackoffRate": 1.5}]));
    for (name, value) in [
        ("Cluster", json!("${aws_ecs_cluster.main.arn}")),
        ("TaskDefinition", json!("${aws_ecs_task_definition.etl.family}:${var.revision[\"etl\"]}")),
        ("Subnets", json!("${[for s in aws_subnet.private : s.id]}")),
        ("SecurityGroups", json!(["${aws_security_group.task.id}", "${var.public ? \"sg-1\" : \"sg-2\"}"])),
        ("Command", json!(["say", "\"${HOME}\"\n"])),
        ("Name.$", json!("States.Format('{}', $.name)")),
        ("Environment", json!("${concat(local.environment, [  Name = \"A\", Value = \"b\"  ])}")),
        ("Text", json!("${\"a\" == \"b\" ? \"c\" : \"d\"}")),
    ] {
        assert_eq!(run["Parameters"][name], value, "{name}");
    }
}

#[test]
fn what_writes_out_no_machine_says_where_it_is() {
    for text in [
        "module \"m\" {\n  definition = templatefile(\"m.json.tpl\", {})\n}",
        "resource \"a\" \"b\" {\n  definition = jsonencode({ States = {",
        "resource \"a\" \"b\" {\n  definition = <<EOF\n{\"States\"\nEOF\n}",
        "resource \"a\" \"b\" {\n  definition = jsonencode({ States = merge(local.a, {}) })\n}",
        &format!("locals {{\n a = jsonencode({}", "[".repeat(100_000)),
    ] {
        let said = machines(text).unwrap_err().message;
        assert!(is_configuration(text) && said.contains("describe-state-machine") && !said.contains('\n'), "{said}");
    }
    for text in ["StartAt: Run\nStates:\n  Run: {\n", "{\"resource\": {\n}}", "resource: {\n", "hello"] {
        assert!(!is_configuration(text), "{text}");
    }
}
