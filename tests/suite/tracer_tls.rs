//! The attached tracer over TLS: `-proto_dist inet_tls`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{Node, Output, otp};

/// Processes that the application ssl of a VM starts at its first connection, from whomever, and keeps.
const OF_SSL: i64 = 1;

/// Certificates where the VM sees them, which may be in another root than ours.
struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Of two authorities: `ca` of all that counts, `other` of what must be refused.
    fn make() -> Certificates {
        let place = match otp::root() {
            Some(root) => root.join("tmp"),
            None => PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
        };
        fs::create_dir_all(&place).unwrap();
        let made = Certificates {
            folder: TempDir::new_in(place).unwrap(),
        };
        for authority in ["ca", "other"] {
            made.sign(authority, None, &["basicConstraints=critical,CA:TRUE"]);
        }
        let leaf = "basicConstraints=critical,CA:FALSE";
        made.sign("node", Some("ca"), &[leaf, "subjectAltName=DNS:localhost"]);
        made.sign(
            "elsewhere",
            Some("ca"),
            &[leaf, "subjectAltName=DNS:shop.example"],
        );
        made.sign("client", Some("ca"), &[leaf]);
        made.sign("stranger", Some("other"), &[leaf]);
        made
    }

    fn sign(&self, name: &str, authority: Option<&str>, extensions: &[&str]) {
        let mut openssl = Command::new("openssl");
        openssl
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args([
                "-nodes",
                "-days",
                "2",
                "-subj",
                &format!("/CN=escope test {name}"),
            ])
            .arg("-keyout")
            .arg(self.path(&format!("{name}.key")))
            .arg("-out")
            .arg(self.path(&format!("{name}.pem")));
        if let Some(authority) = authority {
            openssl
                .arg("-CA")
                .arg(self.path(&format!("{authority}.pem")));
            openssl
                .arg("-CAkey")
                .arg(self.path(&format!("{authority}.key")));
        }
        for extension in extensions {
            openssl.args(["-addext", extension]);
        }
        let made = openssl.stdin(Stdio::null()).stderr(Stdio::null()).status();
        assert!(made.unwrap().success(), "{openssl:?}");
    }

    fn path(&self, file: &str) -> String {
        self.folder.path().join(file).to_str().unwrap().to_owned()
    }

    /// A path as the VM sees it.
    fn inside(&self, file: &str) -> String {
        let path = self.path(file);
        let root = otp::root();
        let inside = root.and_then(|root| {
            let inside = Path::new(&path).strip_prefix(root).ok()?;
            Some(Path::new("/").join(inside).to_str()?.to_owned())
        });
        inside.unwrap_or(path)
    }

    /// A node that shows this certificate, speaks these versions, and wants one of the authority's.
    fn node(&self, certificate: &str, versions: &str) -> Node {
        let file = |name: &str| self.inside(name);
        let (pem, key) = (
            file(&format!("{certificate}.pem")),
            file(&format!("{certificate}.key")),
        );
        let both = format!(
            "{{certfile,\"{pem}\"}},{{keyfile,\"{key}\"}},{{cacertfile,\"{}\"}}",
            file("ca.pem")
        );
        let server = format!(
            "{both},{{verify,verify_peer}},{{fail_if_no_peer_cert,true}},{{versions,[{versions}]}}"
        );
        let options =
            format!("[{{server,[{server}]}},{{client,[{both},{{verify,verify_peer}}]}}].\n");
        fs::write(self.path("dist.conf"), options).unwrap();
        let conf = file("dist.conf");
        let mut node = Node::start_with(
            "traced",
            &["-proto_dist", "inet_tls", "-ssl_dist_optfile", &conf],
            &[],
        );
        node.before += OF_SSL;
        node
    }

    /// The options that make a VM known and us.
    fn options(&self, authority: &str, own: Option<&str>) -> Vec<String> {
        let mut options = vec![
            "--tls-cacert".to_owned(),
            self.path(&format!("{authority}.pem")),
        ];
        for (option, ending) in [("--tls-cert", "pem"), ("--tls-key", "key")] {
            if let Some(own) = own {
                options.extend([option.to_owned(), self.path(&format!("{own}.{ending}"))]);
            }
        }
        options
    }
}

fn state(node: &Node, options: &[String]) -> Output {
    let mut args = vec!["traced:work/2", "-d", "300ms", "--format", "json"];
    args.extend(options.iter().map(String::as_str));
    node.run("watch", &args)
}

#[test]
fn a_vm_that_speaks_tls_is_joined_and_left() {
    live!();
    let made = Certificates::make();
    for versions in ["'tlsv1.2'", "'tlsv1.3'"] {
        let mut node = made.node("node", versions);
        let output = state(&node, &made.options("ca", Some("client"))).success();
        assert!(output.stderr.contains(" over TLS;"), "{output:#?}");
        assert!(output.stderr.contains("tracer: removed"), "{output:#?}");
        // Its own certificate in the place of its authority's.
        let output = state(&node, &made.options("node", Some("client"))).success();
        assert!(output.stderr.contains("tracer: removed"), "{output:#?}");
        node.is_clean();
    }
}

#[test]
fn who_is_not_known_is_refused_with_the_remedy() {
    live!();
    let made = Certificates::make();
    for versions in ["'tlsv1.2'", "'tlsv1.3'"] {
        let mut node = made.node("node", versions);
        for (options, why) in [
            (Vec::new(), "speaks TLS: give the authority"),
            (
                made.options("other", Some("client")),
                "none of the authorities",
            ),
            (made.options("ca", None), "--tls-cert and --tls-key"),
            (
                made.options("ca", Some("stranger")),
                "--tls-cert and --tls-key",
            ),
        ] {
            let output = state(&node, &options);
            output.refused(3);
            assert!(output.stderr.contains(why), "{why}: {output:#?}");
        }
        node.is_clean();
    }
    let mut elsewhere = made.node("elsewhere", "'tlsv1.2'");
    let options = made.options("ca", Some("client"));
    let output = state(&elsewhere, &options);
    output.refused(3);
    assert!(
        output.stderr.contains("is not for localhost"),
        "{output:#?}"
    );
    let named = ["--tls-name".to_owned(), "shop.example".to_owned()];
    state(&elsewhere, &[options.clone(), named.to_vec()].concat()).success();
    elsewhere.is_clean();
    let plain = Node::start("traced", &[]);
    let output = state(&plain, &options);
    output.refused(3);
    assert!(
        output.stderr.contains("leave out --tls-cacert"),
        "{output:#?}"
    );
    let nothing = ["--tls-cacert".to_owned(), made.path("client.key")];
    let output = state(&plain, &nothing);
    output.refused(3);
    assert!(output.stderr.contains("no certificate"), "{output:#?}");
}
