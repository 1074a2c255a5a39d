//! `ako translate`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::Value;

use super::{dry_run, stdout};
use crate::cluster::Which;
use crate::offline::{self, Environment, Input, Output};

/// Arguments of `ako translate`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// The data of ConfigMap `avi-k8s-config`, or the ConfigMap itself; YAML or
    /// JSON, `-` for standard input.
    #[arg(long)]
    config: PathBuf,
    /// Files with Kubernetes objects; YAML (several documents) or JSON (one
    /// object, a List, or an array), `-` for standard input.
    #[arg(long, num_args = 1.., required = true)]
    objects: Vec<PathBuf>,
    /// What the controller holds beforehand, in canonical form; without it, a
    /// No-access cloud without DNS domains is assumed.
    #[arg(long)]
    environment: Option<PathBuf>,
    /// The namespace of the operator [default: avi-system, or `$namespace` of
    /// the configuration].
    #[arg(long)]
    namespace: Option<String>,
    /// What to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: What,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum What {
    /// The objects on the controller, in canonical form, with private keys and other secrets.
    #[default]
    Avi,
    /// The statuses of Ingresses and Services.
    Status,
    /// What the operator would create on an empty controller, in that order.
    Plan,
}

/// Runs it. Findings about the input go to standard error.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (config, namespace) = config(arguments)?;
    let mut objects = Vec::new();
    for path in &arguments.objects {
        for document in documents(&read(path)?) {
            match document {
                Ok(document) => objects.extend(unpacked(document)),
                Err(why) => eprintln!("warning: a document of {} is left out: {why:#}", path.display()),
            }
        }
    }
    let environment = match &arguments.environment {
        Some(path) => {
            let text = read(path)?;
            let value = one(&text).with_context(|| format!("{} is neither YAML nor JSON", path.display()))?;
            Environment::new(value)
        }
        None => Environment::default(),
    };
    let program = arguments.which.program();
    let output = offline::translate(Input { program, config, namespace, objects, environment })?;
    output.problems.iter().for_each(|problem| eprintln!("warning: {problem}"));
    output.issues.iter().for_each(|issue| eprintln!("warning: {issue}"));
    output.diagnostics.iter().for_each(|diagnostic| eprintln!("warning: {diagnostic}"));
    print(&output, arguments.output)?;
    Ok(ExitCode::SUCCESS)
}

fn print(output: &Output, what: What) -> anyhow::Result<()> {
    match what {
        What::Avi => stdout::json(&output.avi())?,
        What::Status => stdout::json(&output.status())?,
        What::Plan => stdout::print(&dry_run::text(&output.dry_run()))?,
    }
    Ok(())
}

fn config(arguments: &Arguments) -> anyhow::Result<(BTreeMap<String, String>, String)> {
    let path = arguments.config.display();
    let value = one(&read(&arguments.config)?).with_context(|| format!("{path} is neither YAML nor JSON"))?;
    let is_config_map = value["kind"].as_str() == Some("ConfigMap");
    let data = if is_config_map { &value["data"] } else { &value };
    let data = data.as_object().with_context(|| format!("{path} holds no map of keys to values"))?;
    let mut config = BTreeMap::new();
    for (key, value) in data {
        match value {
            Value::String(text) => config.insert(key.clone(), text.clone()),
            Value::Null => None,
            // A ConfigMap holds text only; a hand-written file may not.
            other => config.insert(key.clone(), other.to_string()),
        };
    }
    let own = is_config_map.then(|| value["metadata"]["namespace"].as_str()).flatten().map(str::to_owned);
    let namespace = arguments.namespace.clone().or_else(|| config.get("$namespace").cloned()).or(own);
    Ok((config, namespace.unwrap_or_else(|| "avi-system".to_owned())))
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn one(text: &str) -> anyhow::Result<Value> {
    documents(text).into_iter().next().context("it is empty")?
}

/// All documents of a YAML or JSON text; JSON is YAML, but faster to read. One that is
/// neither costs itself.
fn documents(text: &str) -> Vec<anyhow::Result<Value>> {
    if let Ok(value) = serde_json::from_str(text) {
        return vec![Ok(value)];
    }
    let mut documents = vec![String::new()];
    for line in text.split_inclusive('\n') {
        // In column 0 it begins a document wherever it stands.
        if line.trim_end() == "---" || line.starts_with("--- ") {
            documents.push(String::new());
        }
        if let Some(document) = documents.last_mut() {
            document.push_str(line);
        }
    }
    let values = documents.iter().zip(1..).map(|(document, number)| {
        let value: anyhow::Result<Value> = serde_saphyr::from_str(document).map_err(Into::into);
        value.with_context(|| format!("document {number} is neither YAML nor JSON"))
    });
    values.filter(|value| !value.as_ref().is_ok_and(Value::is_null)).collect()
}

/// The objects in a document: itself, the elements of an array, the items of a
/// List.
fn unpacked(document: Value) -> Vec<Value> {
    match document {
        Value::Array(list) => list.into_iter().flat_map(unpacked).collect(),
        Value::Object(mut map)
            if map.get("kind").and_then(Value::as_str).is_some_and(|k| k.ends_with("List")) =>
        {
            map.remove("items").map(unpacked).unwrap_or_default()
        }
        other => vec![other],
    }
}
