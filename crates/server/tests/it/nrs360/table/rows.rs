//! Whether the tables are whole: every parameter that the document names, and every one that our own
//! description of the API names, has its row.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Ids, tables};
use crate::house::House;

/// Method, path and parameter.
type Name = (String, String, String);

fn ours() -> BTreeSet<Name> {
    let mut names = BTreeSet::new();
    for table in tables(&Ids::default()) {
        for row in &table.rows {
            names.insert((table.method.to_owned(), table.path.to_owned(), row.name.to_owned()));
        }
    }
    names
}

#[test]
fn every_parameter_of_the_document_has_a_row() {
    let rows = include_str!("parameters.tsv").lines().filter(|line| !line.starts_with('#'));
    let named: BTreeSet<Name> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('\t').collect();
            let [method, path, name] = cells[..] else { panic!("{row}") };
            (method.to_owned(), path.to_owned(), name.to_owned())
        })
        .collect();
    let missing: Vec<&Name> = named.iter().filter(|name| !ours().contains(name)).collect();
    assert!(missing.is_empty(), "no row of our tables tries {missing:#?}");
}

#[test]
fn every_parameter_that_openapi_tells_of_has_a_row_and_so_has_every_request() {
    let house = House::open();
    let api = house.call("GET", "/openapi.json", "").json();
    let (mut named, mut requests) = (BTreeSet::new(), BTreeSet::new());
    let paths = api["paths"].as_object().unwrap().iter();
    // The others are pages and short links.
    for (path, methods) in paths.filter(|(path, _)| path.to_lowercase().starts_with("/api/")) {
        for (method, operation) in methods.as_object().unwrap() {
            let name = |name: &str| (method.to_uppercase(), path.clone(), name.to_owned());
            requests.insert((method.to_uppercase(), path.clone()));
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                named.insert(name(parameter["name"].as_str().unwrap()));
            }
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            let mut fields = Vec::new();
            properties(&api, body, "", &mut fields);
            named.extend(fields.iter().map(|field| name(field)));
        }
    }
    assert!(named.len() > 60, "{named:?}");
    let ours = ours();
    let missing: Vec<&Name> = named.iter().filter(|name| !ours.contains(name)).collect();
    assert!(missing.is_empty(), "no row of our tables tries {missing:#?}");
    let tried: BTreeSet<(String, String)> = tables(&Ids::default())
        .iter()
        .map(|table| (table.method.to_owned(), table.path.to_owned()))
        .collect();
    let missing: Vec<_> = requests.difference(&tried).collect();
    assert!(missing.is_empty(), "no table of ours is for {missing:#?}");
}

/// The fields of a schema, those of objects inside with a dot, of lists with a star.
fn properties(api: &Value, schema: &Value, before: &str, into: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return properties(api, &api["components"]["schemas"][name], before, into);
    }
    for either in ["oneOf", "anyOf", "allOf"] {
        for one in schema[either].as_array().into_iter().flatten() {
            properties(api, one, before, into);
        }
    }
    if schema["items"].is_object() {
        properties(api, &schema["items"], &format!("{before}*."), into);
    }
    for (name, inside) in schema["properties"].as_object().into_iter().flatten() {
        let name = format!("{before}{name}");
        properties(api, inside, &format!("{name}."), into);
        into.push(name);
    }
}
