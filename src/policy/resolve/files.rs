//! `[filesystem]` and `[audit]`: paths to rules, and what stands where something inside could write.

use super::*;

impl Resolver<'_> {
    pub(super) fn filesystem(&mut self, layers: &[Layer]) -> Filesystem {
        let read = self.path_rules(layers, "filesystem.read", |layer| &layer.file.filesystem.read);
        let write = self.path_rules(layers, "filesystem.write", |layer| &layer.file.filesystem.write);
        let exec_is_default = layers.iter().all(|layer| layer.file.filesystem.exec.is_none());
        let exec = if exec_is_default {
            let none = PathRules::default();
            read.filtered(|rule| write_rule(&rule.path, &write, [&read, &none]).is_none())
        } else {
            self.path_rules(layers, "filesystem.exec", |layer| &layer.file.filesystem.exec)
        };
        let patterns = self.written_patterns(layers);
        let mut files = Filesystem { read, write, exec, exec_is_default, patterns, ..Filesystem::default() };
        for layer in layers {
            for entry in layer.file.filesystem.deny.iter().flatten() {
                self.deny(layer, entry, &mut files);
            }
        }
        files.protected = self.protected(layers, &files);
        files
    }

    /// The patterns of `read`, `write` and `exec` themselves. What is wrong with them is told where they are expanded.
    fn written_patterns(&self, layers: &[Layer]) -> Vec<Pattern> {
        let mut found = Vec::new();
        for layer in layers {
            let table = &layer.file.filesystem;
            for (key, list) in [
                ("filesystem.read", &table.read),
                ("filesystem.write", &table.write),
                ("filesystem.exec", &table.exec),
            ] {
                for entry in list.iter().flatten() {
                    let text = expand(entry.get_ref(), true, self.places, &self.agent);
                    let text = text.ok().and_then(|text| plain(&text.text).ok());
                    if let Some(glob) = text.as_deref().and_then(Glob::new) {
                        found.push(Pattern { glob, origin: origin(layer, entry, key) });
                    }
                }
            }
        }
        found
    }

    fn path_rules(
        &mut self,
        layers: &[Layer],
        key: &'static str,
        list: impl Fn(&Layer) -> &List,
    ) -> PathRules {
        let mut rules = Vec::new();
        for layer in layers {
            for entry in list(layer).iter().flatten() {
                self.path_rule(layer, entry, key, &mut rules);
            }
        }
        PathRules::new(rules)
    }

    fn path_rule(&mut self, layer: &Layer, entry: &Text, key: &'static str, rules: &mut Vec<PathRule>) {
        let Some((text, private)) = self.path(layer, entry) else { return };
        let origin = origin(layer, entry, key);
        let private_rule = |path: &str, origin| PathRule {
            written: path.into(),
            path: path.into(),
            kind: Kind::Dir,
            id: None,
            private: true,
            origin,
        };
        if let Some(glob) = Glob::new(&text) {
            if private {
                self.fail(
                    &layer.lines,
                    entry,
                    "${TMPDIR} is empty when the run begins",
                    "leave the pattern out",
                );
                return;
            }
            let Some(found) = self.expand(layer, entry, &glob) else { return };
            if found.is_empty() {
                self.note(&origin, format!("nothing matches {}", entry.get_ref()));
            }
            for written in found {
                self.found_rule(written, &origin, rules);
            }
        } else if private {
            rules.push(private_rule(&text, origin));
        } else if Path::new(&text) == self.places.tmpdir {
            self.note(&origin, format!("{text} is the run's own temporary folder; the host's is not shown"));
            rules.push(private_rule(&text, origin));
        } else {
            self.found_rule(PathBuf::from(text), &origin, rules);
        }
    }

    fn found_rule(&mut self, written: PathBuf, origin: &Origin, rules: &mut Vec<PathRule>) {
        match self.finder.look(&written) {
            Found::There { path, kind, id } => {
                rules.push(PathRule { written, path, kind, id, private: false, origin: origin.clone() });
            }
            Found::Missing { path } | Found::Hidden { path, .. } if self.whole => {
                let origin = origin.clone();
                rules.push(PathRule { written, path, kind: Kind::Dir, id: None, private: false, origin });
            }
            Found::Missing { .. } => self.note(origin, format!("{} does not exist", written.display())),
            Found::Hidden { why, .. } => {
                self.note(origin, format!("{} is skipped: {why}", written.display()))
            }
        }
    }

    fn deny(&mut self, layer: &Layer, entry: &Text, files: &mut Filesystem) {
        let Some((text, private)) = self.path(layer, entry) else { return };
        let origin = origin(layer, entry, "filesystem.deny");
        let Some(glob) = Glob::new(&text) else {
            let path = self.deny_path(PathBuf::from(text), private, origin, files);
            files.deny.push(path);
            return;
        };
        let Some(found) = self.expand(layer, entry, &glob) else { return };
        for written in found {
            let path = self.deny_path(written, private, origin.clone(), files);
            files.deny.push(path);
        }
        let creatable =
            files.write.iter().find(|rule| glob.reaches(&rule.path)).map(|rule| rule.origin.clone());
        files.deny_globs.push(DenyGlob { glob, creatable, origin });
    }

    fn deny_path(&mut self, written: PathBuf, private: bool, origin: Origin, files: &Filesystem) -> DenyPath {
        let found = match private {
            true => Found::Missing { path: written.clone() },
            false => self.finder.look(&written),
        };
        let (path, kind, id) = match found {
            Found::There { path, kind, id } => (path, Some(kind), id),
            Found::Missing { path } | Found::Hidden { path, .. } => (path, None, None),
        };
        let above = [&path, &written].into_iter().find_map(|path| match private {
            true => files.write.covering(path),
            false => files.write.covering_on_host(path),
        });
        let creatable = above.map(|rule| rule.origin.clone());
        DenyPath { written, path, kind, id, creatable, origin }
    }

    /// What `protect` names; the policy's own files; and `weft.toml` in the workspace, which the next run would go by.
    fn protected(&mut self, layers: &[Layer], files: &Filesystem) -> Vec<DenyPath> {
        let mut protected: Vec<DenyPath> = Vec::new();
        for layer in layers {
            for entry in layer.file.filesystem.protect.iter().flatten() {
                let Some((text, private)) = self.path(layer, entry) else { continue };
                if text.contains('*') {
                    let help = "name the paths one by one: what a pattern will match later cannot be held";
                    self.fail(&layer.lines, entry, "protect takes no patterns", help);
                }
                protected.push(self.deny_path(
                    PathBuf::from(text),
                    private,
                    origin(layer, entry, "filesystem.protect"),
                    files,
                ));
            }
        }
        let own =
            layers.iter().filter_map(|layer| Some((layer.source.path.clone()?, layer.lines.name.clone())));
        let next = [(self.places.workspace.join("weft.toml"), Arc::from("weft.toml"))];
        for (path, file) in own.chain(next) {
            let rule = self.deny_path(path, false, Origin { file, line: 0, key: "the policy itself" }, files);
            if rule.creatable.is_some() && !protected.iter().any(|other| other.path == rule.path) {
                protected.push(rule);
            }
        }
        protected
    }

    pub(super) fn audit(&mut self, layers: &[Layer], files: &mut Filesystem) -> Audit {
        let level = last(layers, |layer| layer.file.audit.level).map_or(AuditLevel::All, |(_, level)| level);
        let mut file = None;
        if let Some((layer, entry)) = last(layers, |layer| layer.file.audit.file.as_ref())
            && let Some((text, private)) = self.path(layer, entry)
        {
            let origin = origin(layer, entry, "audit.file");
            let deny = self.deny_path(PathBuf::from(&text), private, origin.clone(), files);
            if text.contains('*') {
                self.fail(&layer.lines, entry, "a log has one name", "leave the * out");
            } else if let Some(write) = deny.creatable.as_ref().filter(|_| !private) {
                let message = format!("the log stands where the sandbox may write ({write})");
                self.fail(&layer.lines, entry, message, "use ${STATE}/weft/audit/${AGENT}.jsonl");
            } else if private {
                self.fail(&layer.lines, entry, "${TMPDIR} is gone after the run", "use ${STATE}");
            }
            // Nothing inside reads the log either, whatever `read` covers.
            files.deny.push(deny);
            file = Some(Set { value: PathBuf::from(text), origin });
        }
        Audit { file, level }
    }
}
