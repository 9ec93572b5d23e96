use super::super::begin::{begin, first_calls};
use super::super::calls::{by_register, calls};
use super::super::collection::{self, Edge};
use super::{Bytes, Emulated, Place, Spot, Want, Word, find, instructions};
use crate::memory::Image;

/// Code at 0x1000.
pub(crate) struct Code(pub(crate) Vec<u8>);

impl Bytes for Code {
    fn bytes_at(&self, address: u64) -> &[u8] {
        let at = address.checked_sub(0x1000).map(|at| at as usize);
        at.and_then(|at| self.0.get(at..)).unwrap_or_default()
    }
}

const fn want(word: Word) -> Want {
    Want {
        word,
        half: false,
        needed: true,
    }
}

const FIRST: Want = want(Word::Argument(0));

fn spot(code: &[&[u8]], wants: &[Want]) -> Result<Spot, &'static str> {
    let code = Code(code.concat());
    let end = 0x1000 + code.0.len() as u64;
    find(&code, 0x1000..end, wants)
}

#[test]
fn what_the_kernel_emulates() {
    assert_eq!(Emulated::of(&[0x55]), Some(Emulated::Push));
    assert_eq!(Emulated::of(&[0x41, 0x57]), Some(Emulated::Push));
    assert_eq!(
        Emulated::of(&[0x0f, 0x84, 1, 0, 0, 0]),
        Some(Emulated::ConditionalJump)
    );
    assert_eq!(Emulated::of(&[0xe8, 1, 0, 0, 0]), Some(Emulated::Call));
    // push with another prefix, xchg r8, call [rip], endbr64, pop.
    let dear: [&[u8]; 5] = [
        &[0x48, 0x55],
        &[0x41, 0x90],
        &[0xff, 0x15, 0, 0, 0, 0],
        &[0xf3, 0x0f, 0x1e, 0xfa],
        &[0x5b],
    ];
    assert!(dear.iter().all(|bytes| Emulated::of(bytes).is_none()));
}

#[test]
fn a_push_at_the_entry_is_the_site() {
    // endbr64; push rbp; mov rbp, rsp; ret
    let code: [&[u8]; 3] = [
        &[0xf3, 0x0f, 0x1e, 0xfa],
        &[0x55],
        &[0x48, 0x89, 0xe5, 0xc3],
    ];
    let wants = [want(Word::Argument(1)), want(Word::Argument(6))];
    let found = spot(&code, &wants).expect("a push");
    assert_eq!((found.address, found.instruction), (0x1004, Emulated::Push));
    let places = [Some(Place::Register(13)), Some(Place::Stack(8))];
    assert_eq!(found.places, places);
}

#[test]
fn arguments_are_followed_through_registers_and_the_stack() {
    // mov rax, rdi; mov [rsp-8], rsi; mov rdi, rsi; xor esi, esi; sub rsp, 0x18; jmp +0
    let code: [&[u8]; 6] = [
        &[0x48, 0x89, 0xf8],
        &[0x48, 0x89, 0x74, 0x24, 0xf8],
        &[0x89, 0xf7],
        &[0x31, 0xf6],
        &[0x48, 0x83, 0xec, 0x18],
        &[0xe9, 0, 0, 0, 0],
    ];
    let second = Want {
        half: true,
        ..want(Word::Argument(1))
    };
    let wants = [FIRST, want(Word::Argument(1)), second];
    let found = spot(&code, &wants).expect("a jump");
    assert_eq!(found.instruction, Emulated::Jump);
    // rax, the stack, and edi, which has the lower half alone.
    let places = [Place::Register(10), Place::Stack(16), Place::Register(14)];
    assert_eq!(found.places, places.map(Some));
    // It is gone: mov edi, edi; jmp +0
    let gone: [&[u8]; 2] = [&[0x89, 0xff], &[0xeb, 0]];
    assert!(spot(&gone, &[FIRST]).is_err());
}

/// As `beam_jit_remove_message` begins: a call aside in a branch that comes back, then the
/// message is loaded.
fn remove_message(between: &[u8]) -> Vec<u8> {
    let mut code = vec![0x53, 0x48, 0x89, 0xfb, 0x41, 0x83, 0xf8, 0x03]; // push, mov, cmp
    code.extend([0x74, 0x40]); // je 0x104a
    code.extend([0x48, 0x8b, 0x83, 0x58, 1, 0, 0]); // mov rax, [rbx+0x158]
    code.extend([0x4c, 0x8b, 0x30]); // mov r14, [rax]
    code.extend(between);
    code.extend([0x49, 0x8b, 0x7e, 0x18, 0x48, 0x83, 0xff, 0x3b]); // mov, cmp
    code.extend([0x74, 0x00]); // je
    code.resize(0x4a, 0xc3);
    code.extend([0xe8, 0, 0, 0, 0, 0xeb, 0xb9]); // call; jmp 0x100a
    code
}

#[test]
fn a_later_site_is_better_if_it_has_more_at_hand() {
    let message = Want {
        needed: false,
        ..want(Word::AtAt(0, 0x158, 0))
    };
    let wants = [FIRST, message];
    let found = spot(&[&remove_message(&[])], &wants).expect("both");
    assert_eq!(
        (found.address, found.instruction),
        (0x101c, Emulated::ConditionalJump)
    );
    let places = [Place::Register(5), Place::Register(1)];
    assert_eq!(found.places, places.map(Some));
    // With a store in between, mov [rsi], rax, it may not be what is in memory any more.
    let store = spot(&[&remove_message(&[0x48, 0x89, 0x06])], &wants).expect("the first");
    assert_eq!((store.address, store.places[1]), (0x1000, None));
}

#[test]
fn what_is_jumped_to_is_no_site() {
    // mov eax, edi; jne +0; ret; jmp back onto the jne.
    let code: [&[u8]; 4] = [&[0x89, 0xf8], &[0x75, 0], &[0xc3], &[0xeb, 0xfb]];
    let why = "what would be probed is executed more than once in a call";
    assert_eq!(spot(&code, &[FIRST]), Err(why));
}

#[test]
fn any_bytes_end() {
    assert!(spot(&[], &[FIRST]).is_err());
    assert!(spot(&[&[0x06; 40]], &[FIRST]).is_err());
    // A loop, a frame of any size.
    assert!(spot(&[&[0x74, 0xfe, 0xeb, 0xfe]], &[FIRST]).is_err());
    let wrapped: [&[u8]; 2] = [&[0x48, 0x81, 0xec, 0, 0, 0, 0x80], &[0xff; 20]];
    assert!(spot(&wrapped, &[FIRST]).is_err());
    let mut random = 1u64;
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..48)
            .map(|_| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (random >> 33) as u8
            })
            .collect();
        let _ = spot(&[&bytes], &[FIRST, want(Word::AtAt(0, 8, 0))]);
        let code = Code(bytes);
        let _ = (begin(&code, 0x1000), first_calls(&code, 0x1000, 0x1030));
        let _ = by_register(instructions(&code, 0x1000..0x1030));
        let _ = calls(&Image::new(), 0x1000, &code.0);
        for edge in [Edge::Begin, Edge::End] {
            let _ = collection::find(&code, 0x1000..0x1030, 640, edge, FIRST);
        }
    }
}
