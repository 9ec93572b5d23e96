//! What may be said of the attached tracer, to each command that has it.

use std::net::SocketAddr;
use std::path::PathBuf;

/// How to join the VM.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TracerArgs {
    /// Join the VM as a hidden node, with its cookie, and have it run functions that OTP ships: what is
    /// run is printed first, and ends with us. The cookie is that of --cookie-file, of the variable
    /// ESCOPE_COOKIE, or of ~/.erlang.cookie
    #[arg(long)]
    pub(crate) tracer: bool,
    /// A file with the VM's cookie
    #[arg(long, value_name = "FILE", requires = "tracer")]
    pub(crate) cookie_file: Option<PathBuf>,
    /// Where the VM listens for nodes, instead of what epmd says on this machine
    #[arg(long, value_name = "IP:PORT", requires = "tracer")]
    pub(crate) dist_address: Option<SocketAddr>,
    /// The VM speaks TLS (-proto_dist inet_tls): a PEM file with the authority of its certificate, or
    /// with its certificate itself
    #[arg(long, value_name = "FILE", requires = "tracer")]
    pub(crate) tls_cacert: Option<PathBuf>,
    /// Our certificate, for a VM that wants one: a PEM file, with those between it and its authority
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cacert",
        requires = "tls_key"
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of our certificate: a PEM file, not encrypted
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The name that the VM's certificate is for, instead of the host in the node's name
    #[arg(long, value_name = "NAME", requires = "tls_cacert")]
    pub(crate) tls_name: Option<String>,
}
