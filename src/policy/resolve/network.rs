//! `[network]`: hosts, ports, and secrets that stay outside.

use super::*;

impl Resolver<'_> {
    pub(super) fn network(&mut self, layers: &[Layer]) -> Network {
        let allow = self.each(layers, |layer| Some(&layer.file.network.allow), Resolver::host);
        let deny = self.each(
            layers,
            |layer| layer.file.network.deny.as_ref(),
            |this, layer, entry| {
                let value = this.pattern(layer, entry)?;
                Some(Set { value, origin: origin(layer, entry, "network.deny") })
            },
        );
        let listen = self.each(
            layers,
            |layer| Some(&layer.file.network.listen),
            |this, layer, entry| {
                let value = this.port(layer, entry)?;
                Some(Set { value, origin: origin(layer, entry, "network.listen") })
            },
        );
        let unrestricted = last(layers, |layer| layer.file.network.unrestricted.as_ref());
        let mode = match unrestricted.filter(|(_, value)| *value.get_ref()) {
            Some((layer, value)) => {
                if let Some(deny) = deny.first() {
                    let message = format!("unrestricted = true would leave {} unenforced", deny.origin);
                    self.fail(&layer.lines, value, message, "name the hosts in `allow` instead");
                }
                let origin = origin(layer, value, "network.unrestricted");
                if !allow.is_empty() {
                    self.note(
                        &origin,
                        "network.allow says nothing when the network is unrestricted".to_owned(),
                    );
                }
                NetworkMode::Unrestricted(origin)
            }
            None if allow.is_empty() => NetworkMode::None,
            None => NetworkMode::Hosts,
        };
        let allow = if mode == NetworkMode::Hosts { allow } else { Vec::new() };
        Network {
            mode,
            allow,
            deny,
            listen,
            max_connections: self.count(layers, "network.max_connections", |layer| {
                layer.file.network.max_connections.as_ref()
            }),
            max_bytes_out: self
                .size(layers, "network.max_bytes_out", |layer| layer.file.network.max_bytes_out.as_ref()),
        }
    }

    fn host(&mut self, layer: &Layer, entry: &Spanned<HostTable>) -> Option<HostRule> {
        let table = entry.get_ref();
        let host = self.pattern(layer, &table.host);
        let ports = match &table.ports {
            None => Ports::default(),
            Some(list) => {
                let ports = list.get_ref().iter().filter_map(|port| self.port(layer, port)).collect();
                match Ports::new(ports) {
                    Some(ports) => ports,
                    None => {
                        self.fail(
                            &layer.lines,
                            list,
                            "no ports",
                            "leave `ports` out for [443], or name some",
                        );
                        return None;
                    }
                }
            }
        };
        let mut bytes = |text: &Option<Text>| {
            let text = text.as_ref()?;
            let value = super::units::size(text.get_ref());
            if value.is_none() {
                let message = format!("`{}` is no limit", text.get_ref());
                self.fail(&layer.lines, text, message, "write it as 512KiB or 10MiB");
            }
            value
        };
        let (max_bytes_out, rate) = (bytes(&table.max_bytes_out), bytes(&table.rate));
        let max_connections = table.max_connections.as_ref().and_then(|at| self.number(layer, at));
        let origin = origin(layer, &table.host, "network.allow");
        let tls = table.tls.unwrap_or(true);
        Some(HostRule { host: host?, ports, tls, max_connections, max_bytes_out, rate, origin })
    }

    fn pattern(&mut self, layer: &Layer, text: &Text) -> Option<HostPattern> {
        let parsed = HostPattern::parse(text.get_ref());
        parsed.map_err(|why| self.fail(&layer.lines, text, why, "")).ok()
    }

    fn port(&mut self, layer: &Layer, port: &Spanned<i64>) -> Option<u16> {
        let found = u16::try_from(*port.get_ref()).ok().filter(|port| *port > 0);
        if found.is_none() {
            self.fail(&layer.lines, port, format!("{} is no port", port.get_ref()), "ports are 1 to 65535");
        }
        found
    }

    pub(super) fn inject(&mut self, layer: &Layer, entry: &Spanned<InjectTable>) -> Option<Inject> {
        let table = entry.get_ref();
        let host = self.pattern(layer, &table.host)?;
        if !matches!(host, HostPattern::Exact(_)) {
            self.fail(&layer.lines, &table.host, "a secret goes to one host", "name it in full");
        }
        let header = table.header.get_ref();
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        // Headers that frame the request or name its receiver are not for secrets.
        let framing =
            ["host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer"];
        if header.is_empty()
            || !header.bytes().all(token)
            || framing.contains(&header.to_ascii_lowercase().as_str())
        {
            self.fail(
                &layer.lines,
                &table.header,
                format!("`{header}` cannot be injected"),
                "use a header such as Authorization",
            );
        }
        let from = table.from.get_ref().strip_prefix("env:").filter(|name| is_variable(name));
        if from.is_none() {
            self.fail(
                &layer.lines,
                &table.from,
                format!("`{}` names no secret", table.from.get_ref()),
                "write `env:NAME`",
            );
        }
        let variable = table.variable.as_ref().map(|name| name.get_ref().clone());
        if let (Some(at), Some(name)) = (&table.variable, &variable)
            && (!is_variable(name) || super::super::decide::is_loader_variable(name.as_bytes()))
        {
            self.fail(
                &layer.lines,
                at,
                format!("`{name}` cannot be set"),
                "name a variable such as OPENAI_BASE_URL",
            );
        }
        let origin = origin(layer, &table.host, "network.inject");
        Some(Inject { host, header: header.clone(), from_env: from?.to_owned(), variable, origin })
    }
}
