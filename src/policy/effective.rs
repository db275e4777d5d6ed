//! Which sandbox a policy gets on which platform, and why. Never a weaker one than it asks for.

use super::{Sandbox, SandboxType};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    Linux,
    Other(&'static str),
}

impl Platform {
    pub const fn here() -> Platform {
        if cfg!(target_os = "linux") { Platform::Linux } else { Platform::Other(std::env::consts::OS) }
    }
}

/// For the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    pub kind: SandboxType,
    pub reason: String,
}

impl SandboxType {
    pub const fn as_str(self) -> &'static str {
        match self {
            SandboxType::Os => "os",
            SandboxType::Wasm => "wasm",
            SandboxType::Combined => "combined",
            SandboxType::None => "none",
        }
    }
}

/// The error is a sentence that says what is missing.
pub fn sandbox_type(sandbox: &Sandbox, platform: Platform) -> Result<Effective, String> {
    let asked = sandbox.kind.as_ref().map(|set| set.value);
    let privileged = sandbox.privileged.as_ref().is_some_and(|set| set.value);
    let done = |kind, reason: String| Ok(Effective { kind, reason });
    match (asked, platform) {
        (None, Platform::Linux) => done(SandboxType::Os, "the default on Linux".into()),
        (None, Platform::Other(os)) => done(SandboxType::Wasm, format!("the default on {os}")),
        (Some(SandboxType::None), _) if privileged => {
            done(SandboxType::None, "the policy asks for it and is privileged".into())
        }
        (Some(SandboxType::None), _) => Err("type = \"none\" needs privileged = true".into()),
        (Some(kind), Platform::Linux) => done(kind, "the policy asks for it".into()),
        (Some(SandboxType::Wasm), Platform::Other(_)) => {
            done(SandboxType::Wasm, "the policy asks for it".into())
        }
        // WebAssembly alone runs no native program at all, so nothing gets more than `os` would give.
        (Some(SandboxType::Os), Platform::Other(os)) => done(
            SandboxType::Wasm,
            format!("{os} has no kernel sandbox for weft; only WebAssembly modules run"),
        ),
        (Some(SandboxType::Combined), Platform::Other(os)) if sandbox.tolerates("sandbox.type") => done(
            SandboxType::Wasm,
            format!("{os} has no kernel sandbox for weft, and best_effort lists sandbox.type"),
        ),
        (Some(SandboxType::Combined), Platform::Other(os)) => Err(format!(
            "{os} has no kernel sandbox for weft to put around WebAssembly; best_effort can list sandbox.type"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Origin, Set};

    fn sandbox(kind: Option<SandboxType>, privileged: bool) -> Sandbox {
        let origin = Origin { file: "p".into(), line: 1, key: "sandbox" };
        Sandbox {
            kind: kind.map(|value| Set { value, origin: origin.clone() }),
            privileged: Some(Set { value: privileged, origin }),
            best_effort: Vec::new(),
        }
    }

    #[test]
    fn each_platform_gets_what_it_can_hold() {
        use SandboxType::{Combined, None as Nothing, Os, Wasm};
        let mac = Platform::Other("macos");
        for (asked, privileged, platform, expected) in [
            (None, false, Platform::Linux, Some(Os)),
            (None, false, mac, Some(Wasm)),
            (Some(Os), false, mac, Some(Wasm)),
            (Some(Combined), false, Platform::Linux, Some(Combined)),
            (Some(Combined), false, mac, None),
            (Some(Nothing), false, Platform::Linux, None),
            (Some(Nothing), true, Platform::Linux, Some(Nothing)),
        ] {
            let got = sandbox_type(&sandbox(asked, privileged), platform);
            assert_eq!(got.ok().map(|e| e.kind), expected, "{asked:?} {platform:?}");
        }
    }
}
