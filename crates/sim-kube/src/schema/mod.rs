//! The form of objects: what fields there are, and how lists and maps merge.
//!
//! Built-in kinds come from `kubernetes.json`, which holds the definitions of the
//! OpenAPI v3 document of Kubernetes 1.36 (Apache-2.0) without descriptions; the
//! schemas of custom resources have the same language.
//! Source: Kubernetes documentation, "Server-Side Apply", "Merge strategy" and
//! "Extend the Kubernetes API with CustomResourceDefinitions".

mod decode;
mod structural;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

pub(crate) use decode::{Found, KIND, decode};
pub(crate) use structural::{default_values, prune, validate};

/// The definitions as a document, to be served.
pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    // The text is part of the program and covered by a test.
    serde_json::from_str(include_str!("kubernetes.json")).unwrap_or_default()
});

static BUILT_IN: LazyLock<Arc<Definitions>> = LazyLock::new(|| {
    let definitions = DOCUMENT.as_object().into_iter().flatten();
    Arc::new(Definitions(definitions.map(|(name, schema)| (name.clone(), Schema::read(schema))).collect()))
});

/// Schemas by name.
#[derive(Debug, Default)]
pub(crate) struct Definitions(BTreeMap<String, Schema>);

/// One schema.
#[derive(Debug)]
pub(crate) struct Schema {
    reference: Option<String>,
    pub(crate) form: Form,
    pub(crate) default: Option<Value>,
    pub(crate) list: ListKind,
    pub(crate) atomic: bool,
    /// The key of strategic merge patches; a list without one that merges is of scalars.
    pub(crate) merge_key: Option<String>,
    pub(crate) merges: bool,
    pub(crate) required: Vec<String>,
    pub(crate) preserves_unknown: bool,
    pub(crate) format: String,
    /// Everything, for the checks that only custom resources have.
    pub(crate) source: Value,
}

/// What values look like.
#[derive(Debug)]
pub(crate) enum Form {
    Any,
    Struct(BTreeMap<String, Schema>),
    Map(Box<Schema>),
    List(Box<Schema>),
    Text,
    Integer,
    Number,
    Boolean,
    IntOrString,
}

/// How lists merge.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ListKind {
    Atomic,
    Set,
    Map(Vec<String>),
}

impl Schema {
    /// Whether null is a value.
    pub(crate) fn is_nullable(&self) -> bool {
        self.source["nullable"] == true
    }

    /// Whether objects here have a kind and metadata of their own.
    pub(crate) fn is_embedded(&self) -> bool {
        self.source["x-kubernetes-embedded-resource"] == true
    }

    fn read(source: &Value) -> Self {
        let text = |key: &str| source[key].as_str().unwrap_or_default();
        let reference = source["$ref"].as_str().or_else(|| source["allOf"][0]["$ref"].as_str());
        let texts = |key: &str| -> Vec<String> {
            let items = source[key].as_array().into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let list = match text("x-kubernetes-list-type") {
            "set" => ListKind::Set,
            "map" => ListKind::Map(texts("x-kubernetes-list-map-keys")),
            _ => ListKind::Atomic,
        };
        let strategy = text("x-kubernetes-patch-strategy");
        Self {
            reference: reference.and_then(|path| path.rsplit('/').next()).map(str::to_owned),
            form: Form::read(source),
            default: source.get("default").cloned(),
            list,
            atomic: text("x-kubernetes-map-type") == "atomic",
            merge_key: source["x-kubernetes-patch-merge-key"].as_str().map(str::to_owned),
            merges: strategy.contains("merge"),
            required: texts("required"),
            preserves_unknown: source["x-kubernetes-preserve-unknown-fields"] == true,
            format: text("format").to_owned(),
            source: source.clone(),
        }
    }
}

impl Form {
    fn read(source: &Value) -> Self {
        if source["format"] == "int-or-string" || source["x-kubernetes-int-or-string"] == true {
            return Self::IntOrString;
        }
        match source["type"].as_str().unwrap_or_default() {
            "object" => {
                let additional = &source["additionalProperties"];
                match (source["properties"].as_object(), additional) {
                    (Some(fields), _) => {
                        Self::Struct(fields.iter().map(|(k, v)| (k.clone(), Schema::read(v))).collect())
                    }
                    (None, Value::Object(_)) => Self::Map(Box::new(Schema::read(additional))),
                    (None, _) => Self::Any,
                }
            }
            "array" => Self::List(Box::new(Schema::read(&source["items"]))),
            "string" => Self::Text,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => Self::Any,
        }
    }
}

/// A schema and what its references refer to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// Where the schema is used: its default is the one that counts.
    site: &'a Schema,
    schema: &'a Schema,
    definitions: &'a Definitions,
}

impl<'a> View<'a> {
    fn new(site: &'a Schema, definitions: &'a Definitions) -> Self {
        let target = site.reference.as_ref().and_then(|name| definitions.0.get(name));
        Self { site, schema: target.unwrap_or(site), definitions }
    }

    pub(crate) fn schema(self) -> &'a Schema {
        self.schema
    }

    pub(crate) fn default(self) -> Option<&'a Value> {
        self.site.default.as_ref()
    }

    /// A field of a struct or an entry of a map; `None` where nothing is known.
    pub(crate) fn field(self, name: &str) -> Option<Self> {
        match &self.schema.form {
            Form::Struct(fields) => fields.get(name).map(|field| Self::new(field, self.definitions)),
            Form::Map(entry) => Some(Self::new(entry, self.definitions)),
            _ => None,
        }
    }

    pub(crate) fn item(self) -> Option<Self> {
        match &self.schema.form {
            Form::List(item) => Some(Self::new(item, self.definitions)),
            _ => None,
        }
    }

    pub(crate) fn fields(self) -> impl Iterator<Item = (&'a str, Self)> {
        let fields = match &self.schema.form {
            Form::Struct(fields) => Some(fields),
            _ => None,
        };
        fields
            .into_iter()
            .flatten()
            .map(move |(name, field)| (name.as_str(), Self::new(field, self.definitions)))
    }

    pub(crate) fn is_struct(self) -> bool {
        matches!(self.schema.form, Form::Struct(_))
    }
}

/// The schema of a kind.
#[derive(Clone, Debug)]
pub(crate) struct KindSchema {
    definitions: Arc<Definitions>,
    root: String,
}

impl KindSchema {
    /// A built-in kind, by the name of its definition.
    pub(crate) fn built_in(root: &str) -> Self {
        Self { definitions: BUILT_IN.clone(), root: root.to_owned() }
    }

    /// A custom resource: the schema of its definition, and the metadata that all
    /// objects have.
    pub(crate) fn custom(schema: &Value) -> Self {
        let mut root = schema.clone();
        if !root.is_object() {
            root = serde_json::json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        }
        if !root["properties"].is_object() {
            root["properties"] = serde_json::json!({});
        }
        let meta = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
        root["type"] = "object".into();
        root["properties"]["apiVersion"] = serde_json::json!({"type": "string"});
        root["properties"]["kind"] = serde_json::json!({"type": "string"});
        root["properties"]["metadata"] = serde_json::json!({ "$ref": meta });
        let mut definitions = BTreeMap::from([("root".to_owned(), Schema::read(&root))]);
        for name in ["ObjectMeta", "Time", "OwnerReference", "ManagedFieldsEntry", "FieldsV1"] {
            let name = format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}");
            definitions.insert(name.clone(), Schema::read(&DOCUMENT[&name]));
        }
        Self { definitions: Arc::new(Definitions(definitions)), root: "root".to_owned() }
    }

    /// Where the document has it.
    pub(crate) fn definition(&self) -> &str {
        &self.root
    }

    pub(crate) fn view(&self) -> Option<View<'_>> {
        self.definitions.0.get(&self.root).map(|schema| View::new(schema, &self.definitions))
    }
}
