//! Hosts in code, and whether a secret's name has anything to do with one.

/// The host of the first web address in a statement, as written.
pub fn host_in(text: &str) -> Option<&str> {
    let at = text.find("://")?;
    let rest = &text[at + 3..];
    let end = rest
        .find(|c: char| {
            matches!(c, '/' | '"' | '\'' | '`' | ' ' | '\n' | '?' | '#' | ')' | ',' | ';' | '>' | '|' | '\\')
        })
        .unwrap_or(rest.len());
    let authority = &rest[..end];
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = if host.starts_with('[') { host } else { host.split(':').next().unwrap_or(host) };
    // A placeholder or an interpolation is no host that could be compared.
    (host.contains('.') || host == "localhost")
        .then_some(host)
        .filter(|h| !h.starts_with(['$', '{', '<']) && h.len() <= 253)
}

/// Parts of variable names that say nothing about whose secret it is.
const GENERIC: [&str; 44] = [
    "api",
    "key",
    "token",
    "secret",
    "access",
    "auth",
    "password",
    "passwd",
    "pass",
    "pwd",
    "client",
    "id",
    "private",
    "user",
    "bot",
    "app",
    "webhook",
    "url",
    "bearer",
    "refresh",
    "personal",
    "account",
    "service",
    "master",
    "admin",
    "db",
    "my",
    "the",
    "session",
    "credentials",
    "credential",
    "public",
    "test",
    "dev",
    "prod",
    "default",
    "oauth",
    "jwt",
    "cookie",
    "seed",
    "mnemonic",
    "pat",
    "signing",
    "license",
];

/// Names of services and the parts of hosts that belong to them, where one is not part of the other.
const ALIASES: [(&str, &[&str]); 28] = [
    ("gh", &["github"]),
    ("github", &["githubcopilot", "models.inference.ai.azure"]),
    ("google", &["googleapis", "gstatic", "youtube"]),
    ("gemini", &["googleapis", "google"]),
    ("youtube", &["googleapis", "google"]),
    ("gcp", &["googleapis"]),
    ("gmail", &["googleapis", "google"]),
    ("aws", &["amazonaws", "amazon"]),
    ("hf", &["huggingface"]),
    ("claude", &["anthropic"]),
    ("anthropic", &["claude"]),
    ("tg", &["telegram"]),
    ("cf", &["cloudflare"]),
    ("xai", &["x.ai"]),
    ("grok", &["x.ai"]),
    ("azure", &["microsoft", "windows.net", "cognitive"]),
    ("graph", &["microsoft", "facebook"]),
    ("outlook", &["microsoft", "office", "live.com"]),
    ("meta", &["facebook", "instagram"]),
    ("instagram", &["facebook"]),
    ("ig", &["facebook", "instagram"]),
    ("whatsapp", &["facebook"]),
    ("twitter", &["x.com"]),
    ("x", &["twitter", "x.com"]),
    ("bsky", &["bsky", "bluesky"]),
    ("tmdb", &["themoviedb"]),
    ("jira", &["atlassian"]),
    ("openai", &["azure"]),
];

/// Services whose keys are worth stealing whatever a skill is about, and names of secrets of the machine itself.
const WELL_KNOWN: [&str; 58] = [
    "openai",
    "anthropic",
    "claude",
    "gemini",
    "google",
    "gcp",
    "gcloud",
    "aws",
    "azure",
    "github",
    "gh",
    "gitlab",
    "bitbucket",
    "stripe",
    "paypal",
    "slack",
    "discord",
    "telegram",
    "docker",
    "dockerhub",
    "npm",
    "pypi",
    "ssh",
    "gpg",
    "twilio",
    "sendgrid",
    "mailgun",
    "heroku",
    "digitalocean",
    "cloudflare",
    "vercel",
    "netlify",
    "database",
    "db",
    "postgres",
    "postgresql",
    "mysql",
    "mongo",
    "mongodb",
    "redis",
    "datadog",
    "sentry",
    "okta",
    "auth0",
    "firebase",
    "supabase",
    "huggingface",
    "hf",
    "openrouter",
    "groq",
    "mistral",
    "cohere",
    "kube",
    "kubernetes",
    "vault",
    "jwt",
    "coinbase",
    "binance",
];

/// The well-known service a secret's name says it belongs to, under one name where it has several.
pub fn service(secret: &str) -> Option<&'static str> {
    let lower = secret.to_ascii_lowercase();
    let known = lower.split('_').find_map(|part| WELL_KNOWN.iter().find(|w| **w == part))?;
    Some(match *known {
        "gemini" | "gcp" | "gcloud" => "google",
        "gh" => "github",
        "claude" => "anthropic",
        "db" | "postgres" | "postgresql" => "database",
        "hf" => "huggingface",
        other => other,
    })
}

/// Does a variable's name say that it holds a secret of a well-known service or of the machine?
pub fn is_well_known(secret: &str) -> bool {
    let lower = secret.to_ascii_lowercase();
    lower.split('_').any(|part| WELL_KNOWN.contains(&part))
}

/// Is the host one that a secret of this name is for? `None` where the name says nothing.
pub fn related(secret: &str, host: &str) -> Option<bool> {
    let host = host.to_ascii_lowercase();
    let lower = secret.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('_').filter(|p| !p.is_empty() && !GENERIC.contains(p)).collect();
    if parts.is_empty() {
        // A secret of the machine itself belongs to no host; a name without any owner says nothing.
        return is_well_known(secret).then_some(false);
    }
    let plain: String = host.chars().filter(char::is_ascii_alphanumeric).collect();
    let labels: Vec<&str> = host.split(['.', '-']).filter(|l| l.len() >= 3).collect();
    Some(
        parts.iter().any(|part| {
            plain.contains(part)
                || labels.iter().any(|l| part.contains(l))
                || initials(part, &labels)
                || ALIASES.iter().any(|(name, hosts)| name == part && hosts.iter().any(|h| host.contains(h)))
        }) || plain.contains(&parts.concat()),
    )
}

/// Is a short part made of the first letters of a label: `np` and `notepost`, `elevenlabs` and `xi` not.
fn initials(part: &str, labels: &[&str]) -> bool {
    part.len() <= 4
        && labels
            .iter()
            .any(|l| l.starts_with(part.get(..2).unwrap_or(part)) && part.chars().all(|c| l.contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_as_written() {
        assert_eq!(host_in("curl https://user:pw@api.example.com:8443/x?y"), Some("api.example.com"));
        assert_eq!(host_in("fetch(`http://[::1]:3000/`)"), None);
        assert_eq!(host_in("fetch(`https://${HOST}/x`)"), None);
        assert_eq!(host_in("no address"), None);
    }

    #[test]
    fn names_belong_to_hosts() {
        assert_eq!(related("STRIPE_SECRET_KEY", "api.stripe.com"), Some(true));
        assert_eq!(related("GEMINI_API_KEY", "generativelanguage.googleapis.com"), Some(true));
        assert_eq!(related("BRAVE_SEARCH_API_KEY", "api.search.brave.com"), Some(true));
        assert_eq!(related("STRIPE_SECRET_KEY", "collector.example.net"), Some(false));
        assert_eq!(related("API_KEY", "collector.example.net"), None);
    }
}
