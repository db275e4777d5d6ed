//! `[process]`: commands and limits.

use super::*;

impl Resolver<'_> {
    pub(super) fn process(&mut self, layers: &[Layer], path: Option<&str>) -> Process {
        let search = SearchPath::new(path, &mut self.finder);
        let listed = layers.iter().any(|layer| layer.file.process.allow.is_some());
        let allow = self.each(
            layers,
            |layer| layer.file.process.allow.as_ref(),
            |this, layer, entry| this.command(layer, entry, "process.allow", &search, false),
        );
        let deny = self.each(
            layers,
            |layer| layer.file.process.deny.as_ref(),
            |this, layer, entry| this.command(layer, entry, "process.deny", &search, true),
        );
        let shell = set(layers, "process.shell", |layer| layer.file.process.shell.as_ref());
        // Looking for two dozen names in every folder of PATH is for those who ask.
        let shells = if shell.as_ref().is_some_and(|set| !set.value) {
            search.shells(&mut self.finder)
        } else {
            Vec::new()
        };
        let syscalls = set(layers, "process.syscalls", |layer| layer.file.process.syscalls.as_ref());
        Process {
            allow: listed.then_some(allow),
            deny,
            shell: shell.as_ref().is_none_or(|set| set.value),
            shell_origin: shell.map(|set| set.origin),
            shells,
            max_processes: self
                .count(layers, "process.max_processes", |l| l.file.process.max_processes.as_ref()),
            max_memory: self.size(layers, "process.max_memory", |l| l.file.process.max_memory.as_ref()),
            max_cpu_time: self.time(layers, "process.max_cpu_time", |l| l.file.process.max_cpu_time.as_ref()),
            max_wall_time: self
                .time(layers, "process.max_wall_time", |l| l.file.process.max_wall_time.as_ref()),
            max_file_size: self
                .size(layers, "process.max_file_size", |l| l.file.process.max_file_size.as_ref()),
            max_open_files: self
                .count(layers, "process.max_open_files", |l| l.file.process.max_open_files.as_ref()),
            syscalls: syscalls.as_ref().map_or(Syscalls::default(), |set| set.value),
            syscalls_origin: syscalls.map(|set| set.origin),
        }
    }

    fn command(
        &mut self,
        layer: &Layer,
        entry: &Text,
        key: &'static str,
        search: &SearchPath,
        deny: bool,
    ) -> Option<CommandRule> {
        let text = entry.get_ref();
        let origin = origin(layer, entry, key);
        if !text.contains('/') {
            let named = !text.is_empty() && !text.starts_with(['.', '~', '$']) && !text.contains(['*', '\0']);
            if !named {
                self.fail(
                    &layer.lines,
                    entry,
                    format!("`{text}` is no command"),
                    "write its name, or its path in full",
                );
                return None;
            }
            let paths = search.all(text, deny, &mut self.finder);
            if paths.is_empty() && !deny {
                self.note(&origin, format!("{text} is not installed"));
            }
            return Some(CommandRule { name: text.clone(), paths, origin });
        }
        let (name, _) = self.path(layer, entry)?;
        let written = match Glob::new(&name) {
            Some(glob) => self.expand(layer, entry, &glob)?,
            None => vec![PathBuf::from(&name)],
        };
        let mut paths = Vec::new();
        for written in written {
            match self.finder.look(&written) {
                Found::There { path, .. } => {
                    if path != written {
                        paths.push(written);
                    }
                    paths.push(path);
                }
                Found::Missing { path } | Found::Hidden { path, .. } if deny => paths.push(path),
                Found::Missing { .. } | Found::Hidden { .. } => {}
            }
        }
        if paths.is_empty() && !deny {
            self.note(&origin, format!("{name} does not exist"));
        }
        Some(CommandRule { name, paths, origin })
    }
}
