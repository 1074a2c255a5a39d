//! The operator's image, as its containers see it.

#![cfg(test)]

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ako_harness::image::OperatorImage;
use ako_harness::kubelet::in_namespaces;
use ako_harness::operator::find_binary;
use ako_harness::report_skip;

/// Runs what follows in a folder as a container would: read-only, and as the user of the image.
const CONTAINER: &str = r#"
root=$1 user=$2 group=$3
shift 3
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
unshare=$(command -v unshare)
exec env -i PATH=/usr/local/bin "$unshare" --root="$root" --wd=/ \
  --user --map-user="$user" --map-group="$group" "$@"
"#;

/// What the image's entry point prints. Within [`in_namespaces`].
fn run(image: &OperatorImage, arguments: &[&str]) -> Output {
    let (user, group) = image.container().user.split_once(':').unwrap();
    Command::new("unshare")
        .args(["--mount", "sh", "-euc", CONTAINER, "container"])
        .arg(image.root())
        .args([user, group])
        .args(arguments)
        .output()
        .unwrap()
}

/// What it printed, if it ended well.
fn printed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_operator_runs_in_its_image_without_rights() {
    in_namespaces("the_operator_runs_in_its_image_without_rights", async {
        let image = OperatorImage::of(&find_binary()?)?;
        let mode = |path: &str| image.root().join(path).metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(["tmp", "usr/local/bin/ako", "etc/passwd"].map(mode), [0o1777, 0o755, 0o644]);
        // As the chart and `kubectl exec` call it.
        let version = printed(&run(&image, &["ako", "--version"]));
        assert_eq!(version, format!("ako {}\n", env!("CARGO_PKG_VERSION")));
        let missing = run(&image, &["sh", "-c", "true"]);
        assert!(!missing.status.success(), "there is a shell");
        Ok(())
    })
    .unwrap();
}

#[test]
fn names_are_found_in_an_image_as_it_is_released() {
    in_namespaces("names_are_found_in_an_image_as_it_is_released", async {
        let folder = tempfile::tempdir()?;
        let program = match resolver(folder.path()) {
            Ok(program) => program,
            Err(why) => {
                report_skip(&format!("no musl: {why}"));
                return Ok(());
            }
        };
        let image = OperatorImage::of(&program)?;
        // These two are what a kubelet mounts.
        std::fs::write(image.root().join("etc/hosts"), "192.0.2.10 listed.example.test\n")?;
        let search = "search avi-system.svc.cluster.test svc.cluster.test";
        std::fs::write(
            image.root().join("etc/resolv.conf"),
            format!("nameserver 127.0.0.1\n{search}\noptions ndots:5\n"),
        )?;
        let server = UdpSocket::bind("127.0.0.1:53")?;
        std::thread::spawn(move || serve_names(&server));
        let find = |name: &str| run(&image, &["ako", name]);
        assert_eq!(printed(&find("listed.example.test")), "192.0.2.10\n");
        assert_eq!(printed(&find("avi.example.test")), "192.0.2.20\n");
        assert_eq!(printed(&find("kubernetes.default")), "192.0.2.30\n", "with what is searched appended");
        let missing = find("nobody.example.test");
        assert!(!missing.status.success(), "{}", String::from_utf8_lossy(&missing.stdout));
        Ok(())
    })
    .unwrap();
}

/// A program that asks the same function as the operator's clients do, linked as `cargo xtask
/// image` links: a build of the operator for it would take minutes.
fn resolver(folder: &Path) -> Result<PathBuf, String> {
    const SOURCE: &str = r#"
        use std::net::ToSocketAddrs as _;
        fn main() {
            let name = std::env::args().nth(1).expect("a name");
            for address in (name.as_str(), 443).to_socket_addrs().expect("addresses") {
                println!("{}", address.ip());
            }
        }
    "#;
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libraries = Command::new(&rustc).args(["--print", "target-libdir", "--target", &target]).output();
    let libraries = libraries.map_err(|error| format!("rustc cannot be started: {error}"))?;
    if !Path::new(String::from_utf8_lossy(&libraries.stdout).trim()).is_dir() {
        return Err(format!(
            "Rust cannot build for {target}, which images need: `rustup target add {target}`"
        ));
    }
    let (source, program) = (folder.join("resolver.rs"), folder.join("resolver"));
    std::fs::write(&source, SOURCE).unwrap();
    let mut command = Command::new(&rustc);
    command
        .args(["--edition=2024", "--target", &target, "-Clinker=rust-lld", "-o"])
        .arg(&program)
        .arg(&source);
    printed(&command.output().unwrap());
    Ok(program)
}

/// Answers questions for addresses until the test ends.
fn serve_names(server: &UdpSocket) {
    let mut question = [0; 512];
    while let Ok((length, from)) = server.recv_from(&mut question) {
        if let Some(answer) = answer(&question[..length]) {
            let _ = server.send_to(&answer, from);
        }
    }
}

/// The answer to a question (RFC 1035): one address, or that there is no such name.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    const IPV4: u8 = 1;
    let mut labels = Vec::new();
    let mut at = HEADER;
    while let length @ 1.. = usize::from(*question.get(at)?) {
        labels.push(String::from_utf8_lossy(question.get(at + 1..=at + length)?).into_owned());
        at += 1 + length;
    }
    // A zero, two bytes for the type and two for the class.
    let end = at + 5;
    let kind = *question.get(at + 2)?;
    let last = match labels.join(".").as_str() {
        "avi.example.test" => Some(20),
        "kubernetes.default.svc.cluster.test" => Some(30),
        _ => None,
    };
    let given = last.filter(|_| kind == IPV4);
    let unknown = if last.is_none() { 3 } else { 0 };
    let mut answer = question.get(..2)?.to_vec();
    answer.extend([0x81, 0x80 | unknown, 0, 1, 0, u8::from(given.is_some()), 0, 0, 0, 0]);
    answer.extend(question.get(HEADER..end)?);
    if let Some(last) = given {
        // The name of the question, its type and class, 60 s, four bytes.
        answer.extend([0xc0, 0x0c, 0, IPV4, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, last]);
    }
    Some(answer)
}
