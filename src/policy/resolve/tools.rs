//! `[[tools.argument]]`: what arguments of tools may be.

use super::*;

impl Resolver<'_> {
    pub(super) fn argument(&mut self, layer: &Layer, entry: &Spanned<ArgumentTable>) -> Option<Argument> {
        let table = entry.get_ref();
        if table.must.is_none() && table.matches.is_none() && table.required != Some(true) {
            let help = "add `must`, `matches` or `required = true`";
            self.fail(&layer.lines, entry, "nothing is said about the argument", help);
        }
        for (text, what) in [(&table.tool, "tool"), (&table.name, "argument")] {
            if text.get_ref().is_empty() || text.get_ref().chars().any(char::is_control) {
                self.fail(&layer.lines, text, format!("that is no name of a {what}"), "");
            }
        }
        let matches = table.matches.as_ref();
        Some(Argument {
            tool: table.tool.get_ref().clone(),
            name: table.name.get_ref().clone(),
            must: table.must,
            matches: matches.map(|list| list.iter().map(|text| text.get_ref().clone()).collect()),
            required: table.required == Some(true),
            origin: origin(layer, &table.tool, "tools.argument"),
        })
    }
}
