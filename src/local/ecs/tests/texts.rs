//! Where the texts of AWS's exceptions come from: one that is said to be AWS's has been seen with AWS.

/// The beginning of each text, and where it was seen: documentation, or an issue or program of somebody who had met it.
const SEEN: [(&str, &str); 40] = [
    ("TaskDefinition can not be blank.", "CreateService, in many Terraform logs; RunTask checks the same member"),
    ("{} can not be blank.", "blox/blox#170: `Clusters can not be blank.`"),
    ("startedBy longer than 128.", "convox/rack#1727, of the older limit: `startedBy longer than 36.`"),
    ("Specifying both a launch type and capacity provider strategy", "CreateService, in many Terraform logs"),
    (
        "There are no capacity providers with a weight value",
        "terraform-aws-modules/terraform-aws-ecs#27, of a default strategy",
    ),
    (
        "Error retrieving subnet information for [",
        "issues of dask-cloudprovider and others, with InvalidSubnetID.NotFound",
    ),
    (
        "Error retrieving security group information for [",
        "dask/dask-cloudprovider#56; others with InvalidGroup.NotFound",
    ),
    ("Identifier is for {account}. Your accountId is", "many logs of RunTask with an ARN of another account"),
    ("subnets can not be empty.", "moto ecs/models.py; many logs"),
    ("Network Configuration must be provided when networkMode", "moto ecs/models.py; many logs"),
    ("Task definition does not support launch_type FARGATE.", "many logs"),
    ("Network Configuration is not valid for the given networkMode", "CreateService, in many Terraform logs"),
    ("Placement constraints are not supported with FARGATE launch type.", "CreateService, in Terraform logs"),
    ("The platform version must be null when specifying an EC2 launch type.", "docker/compose-cli and others"),
    ("Override for container named {name} is not a container in the TaskDefinition.", "many logs"),
    ("TaskDefinition not found.", "many programs that look for it"),
    ("TaskDefinition is inactive", "many programs that look for it"),
    ("Tasks provisioning capacity limit exceeded.", "many programs that look for it"),
    ("Tasks cannot be empty.", "moto ecs/models.py"),
    (
        "taskIds can have at most 100 items.",
        "mapbox/ecs-watchbot#81, of instances: `instanceIds can have at most 100 items.`",
    ),
    ("taskId length should be one of [32,36]", "many logs"),
    ("Invalid identifier: Identifier is for cluster", "aws/aws-toolkit-vscode#2915"),
    ("Unsupported resource type: {other}", "aws/aws-cli#7875: `Unsupported resource type: cluster`"),
    ("The referenced task was not found.", "many programs that look for it"),
    ("Cluster must match ^[a-zA-Z0-9", "awslabs/amazon-ecs-nodejs-microservices#18"),
    ("The specified capacity provider was not found.", "logs"),
    ("Unable to describe task definition.", "moto ecs/exceptions.py; sil-org/ecs-deploy#145"),
    ("Container list cannot be empty.", "fog/fog-aws; logs"),
    ("Container.name should not be null or empty.", "moto ecs/exceptions.py"),
    ("Container.image should not be null or empty.", "moto ecs/exceptions.py; many logs"),
    ("Fargate only supports network mode", "many logs, the quotation marks included"),
    ("Invalid '{member}' setting for task.", "developer guide, \"Invalid CPU or memory value specified\""),
    ("Fargate requires that '{name}' be defined at the task level.", "many logs"),
    (
        "No Fargate configuration exists for given values",
        "developer guide, \"Invalid CPU or memory value specified\"; convox's documentation",
    ),
    ("Invalid setting for container '{name}'.", "moto ecs/exceptions.py; many logs"),
    ("The 'memory' setting for container '{name}' is greater", "logs"),
    ("Rate exceeded", "many logs"),
    ("Cluster not found.", "moto ecs/exceptions.py"),
    ("The referenced cluster was inactive.", "many logs"),
    ("The specified resource wasn't found.", "botocore, ResourceNotFoundException"),
];

/// The texts that `client` and `invalid` are called with, in every file of this module.
fn texts() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/local/ecs");
    let mut texts = Vec::new();
    for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
        let source = std::fs::read_to_string(file).unwrap();
        for call in ["client(", "invalid("] {
            for (at, _) in source.match_indices(call) {
                let before = source[..at].chars().next_back().unwrap_or(' ');
                let argument = source[at + call.len()..].trim_start();
                let argument = argument.strip_prefix("format!(").unwrap_or(argument).trim_start();
                if let (false, Some(text)) = (before.is_alphanumeric() || before == '_', argument.strip_prefix('"')) {
                    texts.push(text.split('"').next().unwrap().to_owned());
                }
            }
        }
    }
    texts
}

#[test]
fn every_text_that_is_said_to_be_awss_has_a_source() {
    let texts = texts();
    assert!(texts.len() > 30, "{texts:#?}");
    let unseen: Vec<_> = texts.iter().filter(|t| !SEEN.iter().any(|(start, _)| t.starts_with(start))).collect();
    assert!(unseen.is_empty(), "no source; say it with client_ours or invalid_ours: {unseen:#?}");
}
