//! Files that are right, wrong, and replaced while they are watched.

use super::*;
use crate::clock;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

struct Folder(TempDir);

type Change = fn(&mut CertificateParams);

impl Folder {
    /// A folder with a CA, and a certificate and key of a server.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.renew(|_| {});
        folder
    }

    fn renew(&self, change: Change) {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut server = CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut server);
        let server = server.signed_by(&key, &ca).unwrap();
        self.write("ca.pem", &ca.pem());
        self.write("server.pem", &server.pem());
        self.write("server.key", &key.serialize_pem());
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn files(&self) -> TlsFiles {
        TlsFiles {
            port: "xds",
            certificate: self.0.path().join("server.pem"),
            key: self.0.path().join("server.key"),
            client_ca: Some(self.0.path().join("ca.pem")),
            protocols: &[b"h2"],
        }
    }

    async fn watch(&self, metrics: &Arc<Metrics>) -> Result<Newest, TlsError> {
        self.files().watch(Arc::clone(metrics), clock::now).await
    }

    async fn fault(&self) -> String {
        self.watch(&Arc::default()).await.unwrap_err().to_string()
    }
}

#[tokio::test]
async fn garbage_in_each_file_is_refused_and_the_file_is_named() {
    for (file, expected) in [
        ("server.pem", "no certificate"),
        ("server.key", "no private key"),
        ("ca.pem", "no certificate"),
    ] {
        for garbage in [
            "",
            "garbage",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
        ] {
            let folder = Folder::new();
            folder.write(file, garbage);
            let fault = folder.fault().await;
            assert!(fault.contains(file) && fault.contains(expected), "{fault}");
        }
        let folder = Folder::new();
        std::fs::remove_file(folder.0.path().join(file)).unwrap();
        assert!(folder.fault().await.contains(file));
    }
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused() {
    let folder = Folder::new();
    folder.write("server.key", &KeyPair::generate().unwrap().serialize_pem());
    let fault = folder.fault().await;
    assert!(fault.contains("server.key"), "{fault}");
}

#[tokio::test]
async fn a_certificate_that_no_client_would_take_is_refused_with_the_reason() {
    let expired: Change = |params| params.not_after = date_time_ymd(2001, 1, 1);
    let early: Change = |params| params.not_before = date_time_ymd(2999, 1, 1);
    let for_clients: Change = |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    };
    let bad = [
        (expired, "Expired"),
        (early, "NotValidYet"),
        (for_clients, "RequiredEkuNotFound"),
    ];
    for (change, says) in bad {
        let folder = Folder::new();
        folder.renew(change);
        let fault = folder.fault().await;
        assert!(
            fault.contains("server.pem") && fault.contains(says),
            "{fault}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn replaced_files_are_taken_up_and_bad_ones_keep_the_last_and_are_counted() {
    let folder = Folder::new();
    let metrics = Arc::new(Metrics::new());
    let mut newest = folder.watch(&metrics).await.unwrap();
    folder.renew(|_| {});
    newest.changed().await.unwrap();
    let good = Arc::clone(&newest.borrow_and_update());

    let count = |outcome: &str| {
        let line = format!(r#"watershed_tls_reloads_total{{port="xds",outcome="{outcome}"}}"#);
        let text = metrics.encode().unwrap();
        let found = text.lines().find_map(|it| it.strip_prefix(&line));
        found.map_or(0, |count| count.trim().parse::<u64>().unwrap())
    };
    folder.write("server.key", "garbage");
    while count("failed") == 0 {
        tokio::time::sleep(POLL).await;
    }
    tokio::time::sleep(POLL * 3).await;
    assert_eq!((count("ok"), count("failed")), (1, 1));
    assert!(Arc::ptr_eq(&good, &newest.borrow()));

    folder.renew(|_| {});
    newest.changed().await.unwrap();
    assert_eq!((count("ok"), count("failed")), (2, 1));
}
