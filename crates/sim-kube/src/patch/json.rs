//! RFC 6902.

use serde_json::Value;

/// Operations at most, as in kube-apiserver.
const MOST_OPERATIONS: usize = 10_000;

/// Applies a JSON patch; the error says which operation failed and why.
pub(crate) fn json_patch(target: &mut Value, patch: &Value) -> Result<(), String> {
    let operations = patch.as_array().ok_or("the patch is not a list of operations")?;
    if operations.len() > MOST_OPERATIONS {
        return Err(format!("The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}"));
    }
    operations.iter().try_for_each(|operation| step(target, operation))
}

fn step(target: &mut Value, operation: &Value) -> Result<(), String> {
    let text = |key: &str| operation[key].as_str().unwrap_or_default();
    let path = pointer(text("path"))?;
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    let missing =
        || format!("{} operation does not apply: doc is missing path: \"{}\"", text("op"), text("path"));
    match text("op") {
        "add" => add(target, &path, value()).ok_or_else(missing),
        "remove" => remove(target, &path).map(|_| ()).ok_or_else(missing),
        "replace" => {
            let place = find(target, &path).ok_or_else(missing)?;
            *place = value();
            Ok(())
        }
        "test" => {
            let found = find(target, &path).map_or(Value::Null, |found| found.clone());
            if found == value() { Ok(()) } else { Err(format!("testing path {} failed", text("path"))) }
        }
        "move" => {
            let from = pointer(text("from"))?;
            let moved = remove(target, &from).ok_or_else(missing)?;
            add(target, &path, moved).ok_or_else(missing)
        }
        "copy" => {
            let from = pointer(text("from"))?;
            let copied = find(target, &from).map(|found| found.clone()).ok_or_else(missing)?;
            add(target, &path, copied).ok_or_else(missing)
        }
        other => Err(format!("Unexpected kind: {other}")),
    }
}

fn pointer(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let rest = text.strip_prefix('/').ok_or_else(|| format!("the path \"{text}\" has no leading slash"))?;
    Ok(rest.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

fn find<'a>(target: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(target, |value, part| match value {
        Value::Object(fields) => fields.get_mut(part),
        Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
        _ => None,
    })
}

fn add(target: &mut Value, path: &[String], value: Value) -> Option<()> {
    let Some((last, parents)) = path.split_last() else {
        *target = value;
        return Some(());
    };
    match find(target, parents)? {
        Value::Object(fields) => {
            fields.insert(last.clone(), value);
            Some(())
        }
        Value::Array(items) => {
            let at = if last == "-" { items.len() } else { last.parse().ok()? };
            (at <= items.len()).then(|| items.insert(at, value))
        }
        _ => None,
    }
}

fn remove(target: &mut Value, path: &[String]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    match find(target, parents)? {
        Value::Object(fields) => fields.remove(last),
        Value::Array(items) => {
            let at = last.parse::<usize>().ok()?;
            (at < items.len()).then(|| items.remove(at))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations() {
        let mut object = json!({"a": {"b~/c": [1, 2]}});
        let patch = json!([
            {"op": "test", "path": "/a/b~0~1c/0", "value": 1},
            {"op": "add", "path": "/a/b~0~1c/-", "value": 3},
            {"op": "remove", "path": "/a/b~0~1c/0"},
            {"op": "move", "from": "/a/b~0~1c", "path": "/d"},
            {"op": "copy", "from": "/d", "path": "/e"},
            {"op": "replace", "path": "/e/0", "value": 9},
        ]);
        json_patch(&mut object, &patch).unwrap();
        assert_eq!(object, json!({"a": {}, "d": [2, 3], "e": [9, 3]}));
        let refused = json_patch(&mut object, &json!([{"op": "remove", "path": "/x"}])).unwrap_err();
        assert_eq!(refused, "remove operation does not apply: doc is missing path: \"/x\"");
    }
}
