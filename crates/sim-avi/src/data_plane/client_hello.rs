//! Finding the server name in a TLS ClientHello (RFC 8446, §4.1.2; RFC 6066, §3).

/// What the first bytes of a connection tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hello {
    /// More bytes are needed.
    Incomplete,
    /// The client asks for this host, in lower case.
    Name(String),
    /// Not TLS, or broken, or without a name.
    Nameless,
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
/// The longest record that a client may send.
const LONGEST_RECORD: usize = 16 * 1024;
/// The longest host name in DNS.
const LONGEST_NAME: usize = 253;

/// Reads the server name out of the bytes a client sent so far.
pub(super) fn read(bytes: &[u8]) -> Hello {
    match handshake(bytes) {
        Err(Stop::Short) => Hello::Incomplete,
        Err(Stop::Broken) => Hello::Nameless,
        Ok(message) => server_name(&message).map_or(Hello::Nameless, Hello::Name),
    }
}

enum Stop {
    Short,
    Broken,
}

/// The body of the ClientHello, put together from as many records as it takes.
fn handshake(bytes: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut message = Vec::new();
    let mut records = Reader(bytes);
    loop {
        if let [kind, length @ ..] = &message[..]
            && length.len() >= 3
        {
            if *kind != CLIENT_HELLO {
                return Err(Stop::Broken);
            }
            let length = usize::from(length[0]) << 16 | usize::from(length[1]) << 8 | usize::from(length[2]);
            if message.len() >= 4 + length {
                return Ok(message[4..4 + length].to_vec());
            }
        }
        let kind = records.byte().ok_or(Stop::Short)?;
        if kind != HANDSHAKE {
            return Err(Stop::Broken);
        }
        let major = records.byte().ok_or(Stop::Short)?;
        if major != 3 {
            return Err(Stop::Broken);
        }
        records.byte().ok_or(Stop::Short)?;
        let length = usize::from(records.number().ok_or(Stop::Short)?);
        if length == 0 || length > LONGEST_RECORD {
            return Err(Stop::Broken);
        }
        // The start of a record is as good as all of it if the message ends there.
        let part = records.take(length.min(records.0.len())).unwrap_or_default();
        message.extend_from_slice(part);
        if part.len() < length && !is_whole(&message) {
            return Err(Stop::Short);
        }
    }
}

fn is_whole(message: &[u8]) -> bool {
    let Some(&[_, a, b, c]) = message.first_chunk::<4>() else { return false };
    message.len() >= 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))
}

fn server_name(hello: &[u8]) -> Option<String> {
    let mut hello = Reader(hello);
    let _version_and_random = hello.take(2 + 32)?;
    let _session = hello.short_block()?;
    let _ciphers = hello.block()?;
    let _compressions = hello.short_block()?;
    let mut extensions = Reader(hello.block()?);
    while let Some(kind) = extensions.number() {
        let content = extensions.block()?;
        if kind != SERVER_NAME {
            continue;
        }
        let mut names = Reader(Reader(content).block()?);
        while let Some(kind) = names.byte() {
            let name = names.block()?;
            if kind == HOST_NAME {
                return printable(name);
            }
        }
        return None;
    }
    None
}

fn printable(name: &[u8]) -> Option<String> {
    let fits = !name.is_empty() && name.len() <= LONGEST_NAME;
    let plain = name.iter().all(u8::is_ascii_graphic);
    let name = std::str::from_utf8(name).ok()?;
    (fits && plain).then(|| name.trim_end_matches('.').to_ascii_lowercase())
}

/// Takes bytes apart from the front; every step may find too few.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Bytes after their length in one byte.
    fn short_block(&mut self) -> Option<&'a [u8]> {
        let length = self.byte()?;
        self.take(usize::from(length))
    }

    /// Bytes after their length in two bytes.
    fn block(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// What rustls sends first.
    fn hello(name: &str) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = rustls_pki_types::ServerName::try_from(name.to_owned()).expect("a name");
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("written");
        bytes
    }

    #[test]
    fn the_name_is_read_once_all_is_there() {
        let bytes = hello("Foo.example.com");
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Hello::Incomplete, "{end}");
        }
        assert_eq!(read(&bytes), Hello::Name("foo.example.com".to_owned()));
        let mut more = bytes.clone();
        more.extend_from_slice(b"what comes after");
        assert_eq!(read(&more), Hello::Name("foo.example.com".to_owned()));
        assert_eq!(read(&hello("127.0.0.1")), Hello::Nameless);
    }

    #[test]
    fn a_hello_in_many_records_is_put_together() {
        let bytes = hello("foo.com");
        for size in [1, 2, 7, 64] {
            let mut split = Vec::new();
            for part in bytes[5..].chunks(size) {
                split.extend_from_slice(&[22, 3, 1, 0, u8::try_from(part.len()).expect("small")]);
                split.extend_from_slice(part);
            }
            assert_eq!(read(&split), Hello::Name("foo.com".to_owned()));
            assert_eq!(read(&split[..split.len() - 1]), Hello::Incomplete);
        }
    }

    #[test]
    fn other_protocols_are_nameless() {
        assert_eq!(read(b"GET / HTTP/1.1\r\n"), Hello::Nameless);
        assert_eq!(read(&[22, 2, 0]), Hello::Nameless);
        assert_eq!(read(&[22, 3, 1, 0, 0]), Hello::Nameless);
        assert_eq!(read(&[22, 3, 1, 0, 4, 2, 0, 0, 0]), Hello::Nameless);
        assert_eq!(read(&[22, 3, 1, 0, 4, 1, 0, 0, 0]), Hello::Nameless);
    }

    /// Broken hellos neither panic nor ask for more than a hello can have.
    #[test]
    fn any_bytes_are_read() {
        let whole = hello("foo.com");
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap_or_default()
        };
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..=random() % 4 {
                let place = random() % bytes.len();
                bytes[place] = u8::try_from(random() % 256).expect("a byte");
            }
            bytes.truncate(random() % (bytes.len() + 1));
            let _ = read(&bytes);
            let noise: Vec<u8> =
                (0..random() % 64).map(|_| u8::try_from(random() % 256).expect("a byte")).collect();
            let _ = read(&noise);
        }
    }
}
