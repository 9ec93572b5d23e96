//! C code of the target: which file is where, its symbols, and how to unwind it.

mod dwarf;
mod object;
mod unwind;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use escope_beam::ExecutableMapping;
use escope_beam::memory::Memory;

use self::object::{NativeObject, NativeSymbol};
pub(crate) use self::unwind::{NativeUnwinder, Unwound};
use dwarf::Dwarf;

/// A native function, named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NativeName {
    /// Symbol, or file name and offset where there is none.
    pub(crate) function: Arc<str>,
    /// Start of the function in the target's address space.
    pub(crate) start: u64,
    /// Last component of the file's path.
    pub(crate) object: Arc<str>,
    /// Source file and line, where the file has DWARF.
    pub(crate) location: Option<(Arc<str>, u32)>,
}

struct Mapped {
    mapping: ExecutableMapping,
    name: Arc<str>,
    /// Added to an address of the file to give one of the target.
    bias: u64,
    object: Option<NativeObject>,
    dwarf: Option<Dwarf>,
}

/// The native code of one process.
pub(crate) struct NativeMap {
    pid: u32,
    mapped: Vec<Mapped>,
    unwinder: NativeUnwinder,
}

impl NativeMap {
    /// Nothing mapped yet.
    #[must_use]
    pub(crate) fn new(pid: u32) -> NativeMap {
        NativeMap {
            pid,
            mapped: Vec::new(),
            unwinder: NativeUnwinder::new(),
        }
    }

    /// Takes over what a process has mapped now. Files that are known stay as they are, so
    /// that this is cheap to repeat when a NIF library or a driver has been loaded.
    pub(crate) fn update(&mut self, mappings: Vec<ExecutableMapping>, memory: &impl Memory) {
        for mapping in mappings {
            if mapping.may_be_jit() || self.find(mapping.start).is_some() {
                continue;
            }
            let gone = |known: &Mapped| {
                known.mapping.start < mapping.end && mapping.start < known.mapping.end
            };
            for index in (0..self.mapped.len()).rev() {
                if gone(&self.mapped[index]) {
                    let known = self.mapped.remove(index);
                    self.unwinder.remove(known.mapping.start);
                }
            }
            let mapped = self.open(mapping, memory);
            if let Some(object) = &mapped.object {
                self.unwinder.add(&mapped.mapping, mapped.bias, object);
            }
            let at = self
                .mapped
                .partition_point(|known| known.mapping.start < mapped.mapping.start);
            self.mapped.insert(at, mapped);
        }
    }

    fn open(&self, mapping: ExecutableMapping, memory: &impl Memory) -> Mapped {
        let path = mapping.path.trim_end_matches(" (deleted)");
        let name = path.rsplit('/').next().unwrap_or(path).into();
        let mut opened = None;
        let mut file = None;
        if mapping.path == "[vdso]" {
            let mut bytes = vec![0; (mapping.end - mapping.start).min(1 << 20) as usize];
            if memory.read(mapping.start, &mut bytes).is_ok() {
                opened = NativeObject::from_bytes(&bytes);
            }
        } else if path.starts_with('/')
            && let Some((found, path)) = open_mapped(&mapping, path, self.pid, memory)
        {
            opened = NativeObject::read(found);
            file = Some(path);
        }
        let bias = opened.as_ref().map_or(0, |object| {
            let address = object.address_of(mapping.file_offset).unwrap_or(0);
            mapping.start.wrapping_sub(address)
        });
        let dwarf = match (&opened, file) {
            (Some(object), Some(file)) if object.has_debug_info() => Some(Dwarf::new(file)),
            _ => None,
        };
        Mapped {
            mapping,
            name,
            bias,
            object: opened,
            dwarf,
        }
    }

    fn find(&self, address: u64) -> Option<&Mapped> {
        let after = self
            .mapped
            .partition_point(|mapped| mapped.mapping.start <= address);
        let mapped = self.mapped.get(after.checked_sub(1)?)?;
        (address < mapped.mapping.end).then_some(mapped)
    }

    /// Whether an address is native code that is known.
    #[must_use]
    pub(crate) fn covers(&self, address: u64) -> bool {
        self.find(address).is_some()
    }

    /// Names the code at an address. `pc` is inside the instruction: for a return address, one
    /// less.
    #[must_use]
    pub(crate) fn name(&self, pc: u64) -> Option<NativeName> {
        let mapped = self.find(pc)?;
        let at = pc.wrapping_sub(mapped.bias);
        let symbol = mapped.object.as_ref().map(|object| object.symbol_at(at));
        let mut name = match symbol {
            Some(NativeSymbol::Named { name, start }) => NativeName {
                function: name,
                start: start.wrapping_add(mapped.bias),
                object: mapped.name.clone(),
                location: None,
            },
            Some(NativeSymbol::Bounds { start }) => NativeName {
                function: format!("{}+{start:#x}", mapped.name).into(),
                start: start.wrapping_add(mapped.bias),
                object: mapped.name.clone(),
                location: None,
            },
            _ => NativeName {
                function: mapped.name.clone(),
                start: mapped.mapping.start,
                object: mapped.name.clone(),
                location: None,
            },
        };
        if let Some(found) = mapped.dwarf.as_ref().and_then(|dwarf| dwarf.find(at)) {
            if let Some(function) = found.function {
                name.function = function;
            }
            name.location = found.location;
        }
        Some(name)
    }

    /// The unwinder of this code.
    pub(crate) fn unwinder(&mut self) -> &mut NativeUnwinder {
        &mut self.unwinder
    }
}

/// How much of a mapping is compared with a file that may be the mapped one: more than any
/// library has.
const COMPARED_BYTES: u64 = 64 << 20;

/// Breakpoints that somebody has put there may differ.
const PROBED_BYTES: usize = 64;

/// The mapped file, whatever became of its name. That needs a capability that a container may
/// lack; then the name in the target's own root, if the same file is still there: names of
/// another version would be wrong ones.
fn open_mapped(
    mapping: &ExecutableMapping,
    path: &str,
    pid: u32,
    memory: &impl Memory,
) -> Option<(File, PathBuf)> {
    let mapped = mapping.open_path(pid);
    if let Some(file) = open_regular(&mapped) {
        return Some((file, mapped));
    }
    let named = PathBuf::from(format!("/proc/{pid}/root{path}"));
    let file = open_regular(&named)?;
    let same = mapping.is_same_file(&file.metadata().ok()?) || has_mapped(&file, mapping, memory);
    same.then_some((file, named))
}

/// Never waits, as opening a pipe would.
fn open_regular(path: &Path) -> Option<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

/// Whether a file has the bytes that are mapped: code is mapped read-only, as it is.
fn has_mapped(file: &File, mapping: &ExecutableMapping, memory: &impl Memory) -> bool {
    let bytes = (mapping.end - mapping.start).min(COMPARED_BYTES) as usize;
    let (mut here, mut there) = (vec![0; bytes], vec![0; bytes]);
    memory.read(mapping.start, &mut there).is_ok()
        && file.read_exact_at(&mut here, mapping.file_offset).is_ok()
        && here.iter().zip(&there).filter(|(a, b)| a != b).count() <= PROBED_BYTES
}

/// Whatever is called an object file, and a stack in it.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    use escope_model::{StackCopy, UserRegs, Words};

    let Some(object) = NativeObject::from_bytes(bytes) else {
        return;
    };
    let text = object.text.clone().unwrap_or_default();
    let mapping = ExecutableMapping {
        start: text.start,
        end: text.end,
        file_offset: 0,
        device: (0, 0),
        inode: 0,
        path: "object".to_owned(),
    };
    let mut unwinder = NativeUnwinder::new();
    unwinder.add(&mapping, 0, &object);
    let stack: Vec<u8> = (0..64u64)
        .flat_map(|slot| text.start.wrapping_add(slot * 24).to_le_bytes())
        .collect();
    for step in 0..32 {
        let ip = text.start.wrapping_add(step * 17);
        let regs = UserRegs {
            ip,
            sp: 0x7000,
            bp: 0x7000 + 8 * step,
            ..UserRegs::default()
        };
        let copy = StackCopy {
            address: 0x7000,
            words: Words::new(&stack),
        };
        let _ = (object.symbol_at(ip), object.address_of(ip));
        unwinder.unwind(&regs, copy, |_| false, &mut Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use escope_beam::ExecutableMapping;
    use escope_beam::memory::LiveMemory;
    use escope_beam::read_executable_mappings;

    use super::{has_mapped, open_mapped, open_regular};

    fn own_code() -> (ExecutableMapping, LiveMemory) {
        let pid = std::process::id();
        let name = std::env::current_exe().expect("a path");
        let mappings = read_executable_mappings(pid).expect("own mappings");
        let own = mappings
            .into_iter()
            .find(|mapping| name.to_str() == Some(&mapping.path));
        (own.expect("own code"), LiveMemory::new(pid))
    }

    #[test]
    fn a_file_is_the_mapped_one_by_identity_or_content() {
        let (mapping, memory) = own_code();
        let file = File::open(&mapping.path).expect("it runs");
        let metadata = file.metadata().expect("open");
        // btrfs and overlayfs give a file several identities; its content is one.
        let _ = mapping.is_same_file(&metadata);
        assert!(has_mapped(&file, &mapping, &memory));
        assert!(open_mapped(&mapping, &mapping.path, std::process::id(), &memory).is_some());

        let other = File::open("/proc/self/maps").expect("any other file");
        assert!(!mapping.is_same_file(&other.metadata().expect("open")));
        assert!(!has_mapped(&other, &mapping, &memory));
    }

    #[test]
    fn only_regular_files_are_opened() {
        assert!(open_regular(std::path::Path::new("/dev/zero")).is_none());
        assert!(open_regular(&std::env::temp_dir()).is_none());
        let name = std::env::current_exe().expect("a path");
        assert!(open_regular(&name).is_some() && fs::metadata(name).is_ok());
    }
}
