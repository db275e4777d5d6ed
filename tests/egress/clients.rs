//! Programs that people use, with no set-up for the network: each reaches the host that the policy names, over TLS with an authority
//! of the test's own, and fails with an error of its own terms at any other.

use super::Case;
use super::world::{PATH, Said, World, installed, line_with};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

pub const CASES: &[Case] = &[
    ("curl_and_wget", curl_and_wget),
    ("git_over_https", git_https),
    ("git_over_ssh", git_ssh),
    ("python_urllib", python),
    ("pip", pip),
    ("node_fetch", node),
    ("npm", npm),
    ("cargo", cargo),
    ("go_net_http", go),
    ("java_http_client", java),
    ("psql", psql),
    ("secrets_stay_outside", secrets),
    ("mcp_by_https", mcp),
];

/// Where the web is.
const WEB: &str = "93.184.216.40";
/// What the policy of these cases names.
const HOSTS: &str = "allow = [{ host = \"web.test\" }, { host = \"git.test\", ports = [443] }, { host = \"git.test\", ports = [22], tls = false }, { host = \"pypi.test\" }, { host = \"npm.test\" }, { host = \"crates.test\" }, { host = \"db.test\", ports = [5432], tls = false }]";

/// One server for all of them, that serves `www/HOST/PATH`.
const SERVER: &str = r#"
import http.server, json, os, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        path = os.path.normpath(self.path.split("?")[0]).lstrip("/")
        path = os.path.join(sys.argv[1], "www", self.headers["Host"], path)
        if os.path.isdir(path): path = os.path.join(path, "index")
        try: body = open(path, "rb").read(); code = 200
        except OSError: body = b"not there"; code = 404
        self.send_response(code)
        self.send_header("Content-Type", "application/json" if "npm" in path and not path.endswith("tgz") else "text/html" if "pypi" in path and not path.endswith("whl") else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size); self.rfile.readline()
            self.rfile.readline()
        else: body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/mcp":
            request = json.loads(body)
            if request["method"] == "initialize": result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
            elif request["method"] == "tools/list": result = {"tools": [{"name": "who", "inputSchema": {"type": "object"}}]}
            else: result = {"content": [{"type": "text", "text": str(self.headers)}]}
            # Without a length, in chunks, an event at a time.
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for event in [": one\n\n", "data: " + json.dumps({"jsonrpc": "2.0", "id": request.get("id"), "result": result}) + "\n\n"]:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event.encode())); self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            return
        body = (str(len(body)) + "\n" + self.command + " " + self.path + "\n" + str(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer((sys.argv[2], 443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.path.join(sys.argv[1], "web.crt"), os.path.join(sys.argv[1], "web.key"))
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
"#;

fn done(command: &mut Command) -> Said {
    let said: Said = command.env("PATH", PATH).stdin(Stdio::null()).output().unwrap().into();
    assert_eq!(said.code, Some(0), "{command:?} {said:?}");
    said
}

fn shell(world: &World, script: &str) {
    done(Command::new("sh").args(["-ec", script]).current_dir(&world.root).env("HOME", world.at("home")));
}

/// The authority, the certificate and the server, made when the first case needs them.
pub(super) fn web(world: &World) -> bool {
    static MADE: OnceLock<bool> = OnceLock::new();
    *MADE.get_or_init(|| {
        if !installed("openssl") {
            return false;
        }
        shell(
            world,
            &format!(
                "ip address add {WEB}/32 dev lo
mkdir -p certs www/web.test
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=Test authority' -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout ca.key -out ca.crt 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj '/CN=web.test' -keyout web.key -out web.csr 2>/dev/null
printf 'subjectAltName=DNS:web.test,DNS:git.test,DNS:pypi.test,DNS:npm.test,DNS:crates.test,DNS:key.test\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE' > ext
openssl x509 -req -in web.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out web.crt 2>/dev/null
cp ca.crt certs/ca-certificates.crt
ln -s ca-certificates.crt certs/$(openssl x509 -hash -noout -in ca.crt).0
mount --bind certs /etc/ssl/certs
chmod 755 . home home/ws
echo hello from the web > www/web.test/index"
            ),
        );
        let mut server = Command::new("/usr/bin/python3");
        let mut server =
            server.args(["-c", SERVER]).arg(&world.root).arg(WEB).stdout(Stdio::piped()).spawn().unwrap();
        let ready = line_with(&mut server, "ready").is_some();
        world.keep(server);
        assert!(ready);
        true
    })
}

/// Inside, with variables that say where the authority is, for programs that look nowhere else.
fn inside(world: &World, policy: &Path, script: &str) -> Said {
    let mut command = world.weft(&["run", "--policy", policy.to_str().unwrap(), "--", "sh", "-c", script]);
    let ca = world.at("certs/ca-certificates.crt");
    command.env("NODE_EXTRA_CA_CERTS", &ca).env("CARGO_HTTP_CAINFO", &ca).output().unwrap().into()
}

fn hosts(world: &World) -> PathBuf {
    let above = world.policy(HOSTS);
    let text = format!(
        "version = 1\nextends = [\"{}\"]\n[filesystem]\nread = [\"{}\"]\n",
        above.display(),
        world.at("certs").display()
    );
    world.file("clients.toml", &text)
}

/// Each script in turn: those that have to work, with what they print, and those that have to fail, with what they say.
fn check(world: &World, works: &[(&str, &str)], fails: &[(&str, &str)]) {
    let policy = hosts(world);
    for (script, words) in works {
        let said = inside(world, &policy, script);
        assert_eq!(said.code, Some(0), "{script}: {said:?}");
        assert!(said.out.contains(words) || said.err.contains(words), "{script}: {said:?}");
    }
    for (script, words) in fails {
        let said = inside(world, &policy, script);
        assert!(said.code != Some(0), "{script}: {said:?}");
        assert!(said.out.contains(words) || said.err.contains(words), "{script}: {words}: {said:?}");
    }
    assert_eq!(world.reached("93.184.216.35:443"), 0);
}

fn curl_and_wget(world: &World) {
    if !web(world) {
        return;
    }
    check(
        world,
        &[
            ("curl -sS https://web.test/", "hello from the web"),
            ("curl -sS --noproxy '*' https://web.test/", "hello from the web"),
            ("curl -sS -x socks5h://127.0.0.1:61080 https://web.test/", "hello from the web"),
        ],
        &[
            ("curl -sS https://other.test/", "response 403"),
            ("curl -sS --noproxy '*' https://other.test/", "Could not resolve host: other.test"),
            // One name in the address, another in the hello.
            (
                "curl -sS --noproxy '*' --connect-to other.test:443:web.test:443 https://other.test/",
                "unrecognized name",
            ),
            (
                "curl -sS -k --noproxy '*' https://$(getent hosts web.test | cut -d' ' -f1)/",
                "unrecognized name",
            ),
        ],
    );
    if installed("wget") {
        let works = [
            ("wget -nv -O - https://web.test/", "hello from the web"),
            ("wget -nv --no-proxy -O - https://web.test/", "hello from the web"),
        ];
        let fails = [
            ("wget -nv -O - https://other.test/", "Forbidden"),
            ("wget -nv --no-proxy -O - https://other.test/", "unable to resolve host address"),
        ];
        check(world, &works, &fails);
    }
}

fn repository(world: &World) {
    if world.at("www/git.test").exists() {
        return;
    }
    shell(
        world,
        "mkdir -p www/git.test && cd www/git.test
git init -q --bare repo.git && git init -q work && cd work
git config user.email a@b.test && git config user.name a && echo content > file && git add . && git commit -qm first
git push -q ../repo.git HEAD:main && cd ../repo.git && git symbolic-ref HEAD refs/heads/main && git update-server-info",
    );
}

fn git_https(world: &World) {
    if !web(world) || !installed("git") {
        return;
    }
    repository(world);
    let clone = "cd $TMPDIR && git clone -q --template= https://git.test/repo.git && cat repo/file";
    let direct = format!("unset https_proxy HTTPS_PROXY http_proxy HTTP_PROXY all_proxy ALL_PROXY; {clone}");
    check(
        world,
        &[(clone, "content"), (&direct, "content")],
        &[("git ls-remote https://other.test/repo.git", "403")],
    );
}

fn git_ssh(world: &World) {
    if !web(world) || !installed("git") || !installed("sshd") || !installed("ssh") {
        return;
    }
    if fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "deny") {
        eprintln!("SKIPPED: egress: sshd needs root");
        return;
    }
    repository(world);
    shell(
        world,
        "mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd
ssh-keygen -q -t ed25519 -N '' -f host && ssh-keygen -q -t ed25519 -N '' -f home/ws/key && cp home/ws/key.pub allowed",
    );
    let root = world.root.display();
    let config = format!(
        "ListenAddress {WEB}\nPort 22\nHostKey {root}/host\nAuthorizedKeysFile {root}/allowed\nStrictModes no\nPermitRootLogin yes\nUsePAM no\nPidFile none\n"
    );
    let config = world.file("sshd_config", &config);
    world.keep(Command::new("/usr/sbin/sshd").arg("-D").arg("-f").arg(config).spawn().unwrap());
    assert!(super::world::wait_for(|| std::net::TcpStream::connect((WEB, 22)).is_ok()));
    let ssh = "export GIT_SSH_COMMAND=\"ssh -F none -i key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null\"";
    let clone = format!(
        "{ssh}; git clone -q --template= ssh://root@git.test{root}/www/git.test/repo.git $TMPDIR/c && cat $TMPDIR/c/file"
    );
    let other = format!("{ssh}; git ls-remote ssh://root@other.test/repo.git");
    let port = format!("{ssh}; git ls-remote ssh://root@web.test/repo.git");
    check(
        world,
        &[(&clone, "content")],
        &[
            (&other, "Could not resolve hostname other.test"),
            (&port, "Could not read from remote repository"),
        ],
    );
}

fn python(world: &World) {
    if !web(world) {
        return;
    }
    let get = |host: &str, direct: bool| {
        let opener = if direct {
            "urllib.request.build_opener(urllib.request.ProxyHandler({})).open"
        } else {
            "urllib.request.urlopen"
        };
        format!(
            "/usr/bin/python3 -c 'import urllib.request; print({opener}(\"https://{host}/\", timeout=60).read())'"
        )
    };
    check(
        world,
        &[(&get("web.test", false), "hello from the web"), (&get("web.test", true), "hello from the web")],
        &[
            (&get("other.test", false), "403 Forbidden"),
            (&get("other.test", true), "Name or service not known"),
        ],
    );
}

fn pip(world: &World) {
    if !web(world) || !installed("pip3") {
        return;
    }
    shell(
        world,
        "mkdir -p www/pypi.test/simple/tiny && cd www/pypi.test/simple/tiny && /usr/bin/python3 -c '
import zipfile
w = zipfile.ZipFile(\"tiny-1.0-py3-none-any.whl\", \"w\")
w.writestr(\"tiny.py\", \"print(1)\")
w.writestr(\"tiny-1.0.dist-info/METADATA\", \"Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n\")
w.writestr(\"tiny-1.0.dist-info/WHEEL\", \"Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n\")
w.writestr(\"tiny-1.0.dist-info/RECORD\", \"\")
w.close()' && echo '<a href=\"tiny-1.0-py3-none-any.whl\">tiny-1.0-py3-none-any.whl</a>' > index",
    );
    let get = |host: &str| {
        format!(
            "/usr/bin/python3 -m pip download --no-cache-dir --disable-pip-version-check --retries 0 -d $TMPDIR/p -i https://{host}/simple/ tiny && ls $TMPDIR/p"
        )
    };
    check(
        world,
        &[(&get("pypi.test"), "tiny-1.0-py3-none-any.whl")],
        &[(&get("other.test"), "No matching distribution")],
    );
}

fn node(world: &World) {
    if !web(world) || !installed("node") {
        return;
    }
    let get = |host: &str| {
        format!(
            "node -e 'fetch(\"https://{host}/\").then(r => r.text()).then(console.log).catch(e => {{ console.error(String(e.cause)); process.exit(1) }})'"
        )
    };
    // With a version that knows NODE_USE_ENV_PROXY it is the proxy that refuses, else the resolver.
    let fails = format!("{} 2>&1 | grep -E 'ENOTFOUND|403|denied' && exit 1", get("other.test"));
    check(world, &[(&get("web.test"), "hello from the web")], &[(&fails, "")]);
}

fn npm(world: &World) {
    if !web(world) || !installed("npm") {
        return;
    }
    shell(
        world,
        "mkdir -p www/npm.test/files package && echo '{\"name\":\"tiny\",\"version\":\"1.0.0\"}' > package/package.json
tar -czf www/npm.test/files/tiny-1.0.0.tgz package
sum=$(openssl dgst -sha512 -binary www/npm.test/files/tiny-1.0.0.tgz | openssl base64 -A)
echo '{\"name\":\"tiny\",\"dist-tags\":{\"latest\":\"1.0.0\"},\"versions\":{\"1.0.0\":{\"name\":\"tiny\",\"version\":\"1.0.0\",\"dist\":{\"tarball\":\"https://npm.test/files/tiny-1.0.0.tgz\",\"integrity\":\"sha512-'$sum'\"}}}}' > www/npm.test/tiny",
    );
    let get = |host: &str| {
        format!(
            "cd $TMPDIR && HOME=$TMPDIR npm install --no-audit --no-fund --no-update-notifier --fetch-retries 0 --registry https://{host}/ tiny && cat node_modules/tiny/package.json"
        )
    };
    check(world, &[(&get("npm.test"), "\"version\":\"1.0.0\"")], &[(&get("other.test"), "403")]);
}

fn cargo(world: &World) {
    if !web(world) {
        return;
    }
    let cargo = Path::new(env!("CARGO"));
    let Some(toolchain) = cargo.ancestors().nth(2).filter(|_| cargo.exists()) else {
        eprintln!("SKIPPED: egress: the cargo that built this test is not there");
        return;
    };
    shell(
        world,
        "mkdir -p www/crates.test/ti/ny www/crates.test/dl/tiny/1.0.0 tiny-1.0.0/src
printf '[package]\\nname = \"tiny\"\\nversion = \"1.0.0\"\\nedition = \"2021\"\\n' > tiny-1.0.0/Cargo.toml && : > tiny-1.0.0/src/lib.rs
tar -czf www/crates.test/dl/tiny/1.0.0/download tiny-1.0.0
sum=$(sha256sum www/crates.test/dl/tiny/1.0.0/download | cut -d' ' -f1)
echo '{\"name\":\"tiny\",\"vers\":\"1.0.0\",\"deps\":[],\"cksum\":\"'$sum'\",\"features\":{},\"yanked\":false}' > www/crates.test/ti/ny/tiny
echo '{\"dl\":\"https://crates.test/dl\"}' > www/crates.test/config.json",
    );
    let above = hosts(world);
    let tools = toolchain.display();
    let text = format!(
        "version = 1\nextends = [\"{}\"]\n[filesystem]\nread = [\"{tools}\"]\nexec = [\"{tools}\"]\n[env]\nset = {{ PATH = \"{tools}/bin:/usr/bin:/bin\" }}\n",
        above.display()
    );
    let policy = world.file("cargo.toml", &text);
    let get = |host: &str| {
        format!(
            "mkdir -p $TMPDIR/c/src $TMPDIR/c/.cargo && cd $TMPDIR/c && export CARGO_HOME=$TMPDIR/ch CARGO_NET_RETRY=0 && : > src/lib.rs && printf '[package]\\nname = \"use\"\\nversion = \"1.0.0\"\\n[dependencies]\\ntiny = \"1\"\\n' > Cargo.toml && printf '[source.crates-io]\\nreplace-with = \"t\"\\n[source.t]\\nregistry = \"sparse+https://{host}/\"\\n' > .cargo/config.toml && cargo fetch && ls $CARGO_HOME/registry/cache/*"
        )
    };
    let said = inside(world, &policy, &get("crates.test"));
    assert!(said.code == Some(0) && said.out.contains("tiny-1.0.0.crate"), "{said:?}");
    let said = inside(world, &policy, &get("other.test"));
    assert!(said.code != Some(0) && said.err.contains("403"), "{said:?}");
}

fn go(world: &World) {
    if !web(world) || !installed("go") {
        return;
    }
    world.file(
        "home/ws/main.go",
        "package main\nimport (\"fmt\"; \"io\"; \"net/http\"; \"os\")\nfunc main() {\n\tif os.Args[2] == \"direct\" { http.DefaultTransport.(*http.Transport).Proxy = nil }\n\tr, err := http.Get(os.Args[1])\n\tif err != nil { fmt.Println(err); os.Exit(1) }\n\tio.Copy(os.Stdout, r.Body)\n}\n",
    );
    // Built outside, with the resolver of Go itself, which knows nothing of libc.
    shell(
        world,
        "cd home/ws && GOCACHE=$PWD/../../gocache GOFLAGS=-mod=mod CGO_ENABLED=0 go build -o fetch main.go",
    );
    check(
        world,
        &[
            ("./fetch https://web.test/ proxy", "hello from the web"),
            ("./fetch https://web.test/ direct", "hello from the web"),
        ],
        &[
            ("./fetch https://other.test/ proxy", "Forbidden"),
            ("./fetch https://other.test/ direct", "no such host"),
        ],
    );
}

fn java(world: &World) {
    if !web(world) || !installed("java") || !installed("javac") {
        return;
    }
    world.file(
        "home/ws/Fetch.java",
        "import java.net.URI;\nimport java.net.http.*;\npublic class Fetch { public static void main(String[] a) throws Exception {\n System.out.println(HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(a[0])).build(), HttpResponse.BodyHandlers.ofString()).body()); } }\n",
    );
    shell(
        world,
        "cd home/ws && javac Fetch.java && keytool -importcert -noprompt -storepass changeit -keystore store -file ../../ca.crt -alias test 2>/dev/null",
    );
    shell(
        world,
        "cd home/ws && java -Djavax.net.ssl.trustStore=store -Djavax.net.ssl.trustStorePassword=changeit -cp . Fetch https://web.test/",
    );
    let get = |host: &str| {
        format!(
            "java -Djavax.net.ssl.trustStore=store -Djavax.net.ssl.trustStorePassword=changeit -cp . Fetch https://{host}/"
        )
    };
    check(world, &[(&get("web.test"), "hello from the web")], &[(&get("other.test"), "ConnectException")]);
}

fn psql(world: &World) {
    let server = fs::read_dir("/usr/lib/postgresql").ok().and_then(|mut all| all.next()?.ok());
    let Some(bin) =
        server.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists())
    else {
        eprintln!("SKIPPED: egress: no PostgreSQL server is installed");
        return;
    };
    if !web(world) || !installed("psql") || !installed("setpriv") {
        return;
    }
    if fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "deny") {
        eprintln!("SKIPPED: egress: the PostgreSQL server needs a user of its own, and so root");
        return;
    }
    let bin = bin.display();
    shell(
        world,
        &format!(
            "mkdir pg && chown postgres pg && cd pg && setpriv --reuid=postgres --regid=postgres --clear-groups -- {bin}/initdb -D $PWD/data -A trust >/dev/null
echo 'host all all {WEB}/32 trust' >> data/pg_hba.conf && echo \"unix_socket_directories = '$PWD'\" >> data/postgresql.conf"
        ),
    );
    let data = world.at("pg/data");
    // It becomes the server itself, so that it can be ended.
    let mut postgres = Command::new("setpriv");
    postgres
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
            &format!("{bin}/postgres"),
            "-h",
            WEB,
            "-D",
        ])
        .arg(data);
    world.keep(
        postgres.current_dir(world.at("pg")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(),
    );
    assert!(super::world::wait_for(|| std::net::TcpStream::connect((WEB, 5432)).is_ok()));
    let ask = |host: &str| format!("psql -h {host} -U postgres -Atc 'select 6 * 7'");
    check(
        world,
        &[(&ask("db.test"), "42")],
        &[(&ask("other.test"), "could not translate host name"), (&ask("web.test"), "onnection")],
    );
}

/// What is served where a secret goes.
pub(super) fn secret_host(world: &World) {
    shell(world, "mkdir -p www/key.test && echo keyed > www/key.test/index");
}

fn secrets(world: &World) {
    if !web(world) {
        return;
    }
    secret_host(world);
    let run = |network: &str, script: &str| -> Said {
        let above = world.policy(network);
        let text = format!(
            "version = 1\nextends = [\"{}\"]\n[env]\nallow = [\"*_KEY\"]\n[[network.inject]]\nhost = \"key.test\"\nheader = \"Authorization\"\nfrom = \"env:TEST_KEY\"\nvariable = \"KEY_URL\"\n[[network.inject]]\nhost = \"web.test\"\nheader = \"X-Key\"\nfrom = \"env:NO_KEY\"\n",
            above.display()
        );
        let policy = world.file("inject.toml", &text);
        let mut command =
            world.weft(&["run", "--policy", policy.to_str().unwrap(), "--", "sh", "-c", script]);
        command.env("TEST_KEY", "sk-very-secret").output().unwrap().into()
    };
    let named = "allow = [{ host = \"key.test\" }, { host = \"web.test\" }]";
    let said = run(
        named,
        "env; cat /proc/*/environ | tr '\\0' '\\n' | grep -a secret; echo; curl -sS $KEY_URL/; curl -sS --noproxy '' $KEY_URL/?direct",
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("KEY_URL=http://key-test.weft.internal\n"), "{said:?}");
    assert!(
        said.out.contains("TEST_KEY=kept-outside-by-weft\n") && !said.out.contains("sk-very"),
        "{said:?}"
    );
    assert_eq!(said.out.matches("keyed\n").count(), 2, "{said:?}");
    // What the client sends in its place is replaced, whichever way the body comes.
    for (how, size) in [
        ("-d hello", 5),
        ("-H 'Transfer-Encoding: chunked' -d hello", 5),
        ("--data-binary @/usr/bin/python3", 6_000_000),
    ] {
        let said = run(
            named,
            &format!("curl -sS -H 'Authorization: Bearer mine' -H 'X-Other: 1' {how} $KEY_URL/v1?x=y"),
        );
        let sent: u64 = said.out.lines().next().and_then(|line| line.parse().ok()).unwrap_or(0);
        assert!(sent >= size, "{how}: {said:?}");
        for words in
            ["POST /v1?x=y\n", "Authorization: Bearer sk-very-secret\n", "X-Other: 1\n", "Host: key.test\n"]
        {
            let (all, words) = (said.out.to_lowercase(), words.to_lowercase());
            assert!(all.contains(&words), "{how}: {words}: {said:?}");
        }
        assert!(!said.out.contains("mine"), "{how}: {said:?}");
    }
    let said =
        run(named, "curl -sS http://web-test.weft.internal/; curl -sS http://other-test.weft.internal/");
    assert!(said.out.contains("NO_KEY is not set outside"), "{said:?}");
    assert!(said.err.contains("Could not resolve host: other-test.weft.internal"), "{said:?}");
    // A secret goes where the policy lets one connect, and by TLS.
    let said = run("allow = [{ host = \"web.test\" }]", "curl -sS $KEY_URL/");
    assert!(said.out.contains("network.allow does not name the host"), "{said:?}");
    let said = run("allow = [{ host = \"key.test\", ports = [443], tls = false }]", "curl -sS $KEY_URL/");
    assert!(said.out.contains("a secret goes out by TLS only"), "{said:?}");
    assert!(!world.log().contains("sk-very"), "{}", world.log());
}

/// `weft mcp --url` to a server that speaks TLS: by the name that the policy has, at an address that may be dialled, with a secret that
/// stays outside; with namespaces and without.
fn mcp(world: &World) {
    if !web(world) {
        return;
    }
    let ask = |network: &str, url: &str| -> Said {
        let above = world.policy(network);
        let text = format!(
            "version = 1\nextends = [\"{}\"]\n[tools]\nallow = [\"who\"]\n[[network.inject]]\nhost = \"key.test\"\nheader = \"Authorization\"\nfrom = \"env:TEST_KEY\"\n",
            above.display()
        );
        let policy = world.file("mcp.toml", &text);
        let mut command = world.weft(&["mcp", "--policy", policy.to_str().unwrap(), "--url", url]);
        command.env("TEST_KEY", "sk-very-secret").env("XDG_STATE_HOME", world.at("home"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
        let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"who"}}"#;
        writeln!(input, "{initialize}\n{call}").unwrap();
        // It is heard to the end before the client goes.
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut heard = String::new();
        for _ in 0..2 {
            out.read_line(&mut heard).unwrap();
        }
        drop(input);
        let said = Said::from(child.wait_with_output().unwrap());
        Said { out: heard, ..said }
    };
    let both = "allow = [{ host = \"key.test\" }, { host = \"web.test\" }, { host = \"private.test\" }, { host = \"other.test\", tls = false, ports = [443] }]";
    for fallback in [false, true] {
        if fallback && !world.can_fall_back() {
            eprintln!(
                "SKIPPED: egress: namespaces cannot be forbidden here; weft mcp --url was not tried without them"
            );
            break;
        }
        world.fall_back(fallback);
        let said = ask(both, "https://key.test/mcp");
        for header in
            ["authorization: Bearer sk-very-secret", "mcp-protocol-version: 2025-06-18", "host: key.test"]
        {
            assert!(said.out.contains(header), "{fallback}: {header}: {said:?}");
        }
        let log = world.log();
        assert!(
            log.contains("\"target\":\"key.test:443\",\"allowed\":true") && !log.contains("sk-very"),
            "{log}"
        );
        let said = ask(both, "https://web.test/mcp");
        assert!(said.out.contains("host: web.test") && !said.out.contains("sk-very"), "{fallback}: {said:?}");
        let said = ask(both, "https://private.test/mcp");
        assert!(said.out.contains("-32002") && said.out.contains("denied"), "{fallback}: {said:?}");
        let said = ask(both, "https://other.test/mcp");
        assert!(said.out.contains("the rule says tls = false"), "{fallback}: {said:?}");
        let said = ask(both, "https://git.test/mcp");
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{fallback}: {said:?}");
    }
    world.fall_back(false);
}
