//! What `weft policy learn` makes of hosts: by name, with their ports, and not the ones that hand out credentials.

use super::Case;
use super::world::{Said, World};
use std::fs;

pub const CASES: &[Case] = &[
    ("hosts_are_learned_and_reached_under_the_result", learned),
    ("addresses_are_learned_with_care", addresses),
];

fn learn(world: &World, options: &[&str], script: &str) -> (Said, String) {
    let out = world.at("learned.toml");
    let args = [&["policy", "learn", "--permissive", "--force", "--out", out.to_str().unwrap()], options];
    let args = [&args.concat()[..], &["--", "sh", "-c", script]].concat();
    let said: Said = world.weft(&args).output().unwrap().into();
    assert_eq!(said.code, Some(0), "{said:?}");
    (said, fs::read_to_string(out).unwrap())
}

fn again(world: &World, script: &str) -> Said {
    let out = world.at("learned.toml");
    world.weft(&["run", "--policy", out.to_str().unwrap(), "--", "sh", "-c", script]).output().unwrap().into()
}

const FETCH: &str = "curl -sS http://api.test:8080/x";
const ENTRY: &str = "{ host = \"api.test\", ports = [8080], tls = false }";

fn learned(world: &World) {
    // Nobody is reached who was not named, and it is learned all the same.
    let (said, policy) = learn(world, &[], FETCH);
    assert!(policy.contains(ENTRY), "{said:?}\n{policy}");
    assert_eq!(world.reached("93.184.216.34:8080"), 0);
    assert!(world.seen().names.is_empty(), "{:?}", world.seen().names);
    let said = again(world, FETCH);
    assert!(said.code == Some(0) && said.out.contains("this is 93.184.216.34:8080"), "{said:?}\n{policy}");
    assert_eq!(world.reached("93.184.216.34:8080"), 1);
    for other in ["curl -sS http://api.test/x", "curl -sS http://other.test:8080/x"] {
        let said = again(world, other);
        assert!(!said.out.contains("this is"), "{other}: {said:?}");
    }
    // Named, it is reached while it is learned; others still are not.
    world.quiet();
    let script = format!("{FETCH}; curl -sS http://other.test/y");
    let (said, policy) = learn(world, &["--host", "api.test:8080"], &script);
    assert!(said.out.contains("this is 93.184.216.34:8080"), "{said:?}");
    assert_eq!((world.reached("93.184.216.34:8080"), world.reached("93.184.216.35:80")), (1, 0));
    assert!(
        policy.contains(ENTRY) && policy.contains("{ host = \"other.test\", ports = [80], tls = false }"),
        "{policy}"
    );
    // All of them, with a warning.
    world.quiet();
    let (said, policy) = learn(world, &["--host", "*"], "curl -sS http://api.test/x");
    assert!(said.err.contains("warning: --host '*'") && world.reached("93.184.216.34:80") == 1, "{said:?}");
    assert!(
        policy.contains("{ host = \"api.test\", ports = [80], tls = false }") && !policy.contains("\"*\""),
        "{policy}"
    );
    // A program that knows no proxy asks for the name, and gets no further.
    let (_, policy) = learn(world, &[], "curl -sS --noproxy '*' http://api.test/x; true");
    assert!(policy.contains("{ host = \"api.test\" }") && policy.contains("the port is a guess"), "{policy}");
}

fn addresses(world: &World) {
    let script = "for a in 10.1.2.3 169.254.169.254 127.0.0.1:9999 93.184.216.34:9999; do curl -sS -m 5 --noproxy '*' http://$a/; done; true";
    let (said, policy) = learn(world, &[], script);
    for entry in [
        "{ host = \"10.1.2.3\", ports = [80], tls = false }, # curl: 1 connection; inside your own network",
        "{ host = \"127.0.0.1\", ports = [9999], tls = false }, # curl: 1 connection; a service of this machine",
        "{ host = \"93.184.216.34\", ports = [9999], tls = false }",
    ] {
        assert!(policy.contains(entry), "{entry}: {policy}");
    }
    assert!(!policy.contains("host = \"169.254"), "{policy}");
    let why = "left out: connect 169.254.169.254:80: a metadata service hands out credentials";
    assert!(said.err.contains(why), "{said:?}");
    assert!(world.seen().connections.is_empty(), "{:?}", world.seen().connections);
    let said = again(world, "curl -sS -m 5 --noproxy '*' http://127.0.0.1:9999/ http://10.1.2.3/");
    assert!(
        said.out.contains("this is 127.0.0.1:9999") && said.out.contains("this is 10.1.2.3:80"),
        "{said:?}\n{policy}"
    );
}
