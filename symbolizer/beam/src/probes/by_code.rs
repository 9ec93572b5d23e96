//! Where functions are in an emulator without symbols.
//!
//! The JIT names its helper fragments and the VM its BIFs. From there calls lead on: which call
//! it is is told by what is passed, by what the callee touches of a process, or by that there is
//! only one. On a VM with symbols both ways must agree, which is a test.

use std::cell::OnceCell;
use std::collections::{BTreeSet, VecDeque};

use super::begin::{FirstCall, begin, first_calls};
use super::calls::by_register;
use super::functions::{Function, name};
use super::jit::Jit;
use super::site::{Word, find, instructions};
use super::wanted::Probe;
use crate::Vm;
use crate::layout::{Text, schedule};
use crate::memory::Memory;

/// How many functions are looked through for one that is reached from another.
const REACHED_MAX: usize = 4096;
/// How many calls of a function are followed.
const CALLS_MAX: usize = 1024;

/// What functions are looked for in.
pub(super) struct ByCode<'a, M: Memory> {
    pub(super) vm: &'a Vm<M>,
    pub(super) code: &'a Text,
    jit: Jit<'a, M>,
    /// What several others are found by.
    pub(super) collector: OnceCell<Found>,
    pub(super) hibernate: OnceCell<Result<(u64, u64), String>>,
}

pub(super) type Found = Result<u64, String>;

/// What a BIF is called with and may pass on: the process, and the arguments, to which there is a
/// pointer.
const P: Option<Word> = Some(Word::Argument(0));
const A: Option<Word> = Some(Word::At(1, 0));
const B: Option<Word> = Some(Word::At(1, 8));
const C: Option<Word> = Some(Word::At(1, 16));

/// What tells the function of a probe, in a few words.
fn found_by(probe: Probe) -> &'static str {
    match probe {
        Probe::ScheduleOut => "process_main takes its result for the process",
        Probe::ScheduleIn => "process_main calls it, it reads a process's arguments",
        Probe::DirtyNif => "dirty schedulers call it, it calls with an arity",
        Probe::DirtyBif => "dirty schedulers call it, it calls without an arity",
        Probe::DirtySystemTask => "dirty schedulers call it, it collects",
        Probe::Enqueue => "send/2 leads to it, it tests the lock and reads buffers",
        Probe::Dequeue => "receive calls it, it reads the next message",
        Probe::Spawn => "spawn/3 and spawn_link/3 call it",
        Probe::Exit => "where processes end calls it",
        Probe::ContinueExit => "it ends what begins an exit, and JIT code calls it",
        Probe::CollectNoBump => "the fragment garbage_collect calls it, it collects",
        Probe::Collect => "it alone else collects and nothing more",
        Probe::CollectAfterBif => "the fragment call_light_bif_shared calls it, it collects",
        Probe::CollectHibernate => "hibernate/3 leads to it, it collects",
        Probe::CollectBegin | Probe::CollectEnd => "two fragments lead to it, it collects",
        Probe::HibernateBegin | Probe::HibernateEnd => "hibernate/3 leads to it, it collects",
        Probe::Register => "register/2 calls it",
        Probe::Unregister => "unregister/1 calls it",
        Probe::LoadModule => "finish_loading/1 calls it, it looks up the module as that does",
        Probe::PurgeModule => "erts_internal:purge_module/2 itself",
        Probe::OpenPort => "driver_create_port leads to it, it puts ports into their table",
        Probe::ClosePort => "driver_create_port calls it where it takes a port out of the table",
        Probe::PortOutput => "erts_internal:port_command/3 calls it, it reads a port's driver",
        Probe::PortBytes
        | Probe::PortBinary
        | Probe::PortVector
        | Probe::PortTerm
        | Probe::PortTermTo
        | Probe::PortIdTerm
        | Probe::PortIdTermTo => "drivers call it",
        Probe::DistSend | Probe::DistSuspend => "send/2 leads to it, it sets the phases of sending",
        Probe::DistArrive => "erts_net_message calls it first",
        Probe::DistReceive => "dist_ctrl_put_data/2 calls it, it jumps by an operation",
    }
}

impl<'a, M: Memory> ByCode<'a, M> {
    pub(super) fn new(vm: &'a Vm<M>, code: &'a Text) -> Self {
        let jit = Jit::read(&vm.memory, vm.globals.jit_descriptor);
        ByCode {
            vm,
            code,
            jit,
            collector: OnceCell::new(),
            hibernate: OnceCell::new(),
        }
    }

    /// The function that a probe is in.
    ///
    /// # Errors
    /// Why it was not found.
    pub(super) fn find(&self, probe: Probe) -> Result<Function, String> {
        let start = match probe {
            Probe::ScheduleOut => self.schedule(),
            Probe::ScheduleIn => self.copy_in(),
            Probe::DirtyNif => self.dirty_call(true),
            Probe::DirtyBif => self.dirty_call(false),
            Probe::DirtySystemTask => self.system_task(),
            Probe::Enqueue => self.enqueue(),
            Probe::Dequeue => self.dequeue(),
            Probe::Spawn => self.spawn(),
            Probe::Exit => self.exit(),
            Probe::ContinueExit => self.continue_exit(),
            Probe::CollectNoBump => self.no_bump(),
            Probe::Collect => self.collect(),
            Probe::CollectAfterBif => self.after_bif(),
            Probe::CollectHibernate => self.hibernate().map(|(outer, _)| outer),
            Probe::CollectBegin | Probe::CollectEnd => self.collector(),
            Probe::HibernateBegin | Probe::HibernateEnd => self.hibernate().map(|(_, inner)| inner),
            Probe::Register => self.of_bif("register", 2, &[P, A, B]),
            Probe::Unregister => self.of_bif("unregister", 1, &[P, None, None, A]),
            Probe::LoadModule => self.load_module(),
            Probe::PurgeModule => self.bif_of("erts_internal", "purge_module", 2),
            Probe::PortOutput => self.port_output(),
            Probe::DistSend | Probe::DistSuspend => self.dist_send(),
            Probe::DistArrive => self.dist_arrive(),
            Probe::DistReceive => self.dist_receive(),
            Probe::OpenPort
            | Probe::ClosePort
            | Probe::PortBytes
            | Probe::PortBinary
            | Probe::PortVector
            | Probe::PortTerm
            | Probe::PortTermTo
            | Probe::PortIdTerm
            | Probe::PortIdTermTo => Err("every VM exports it, or what leads to it".to_owned()),
        };
        Ok(self.function(probe, start?))
    }

    pub(super) fn function(&self, probe: Probe, start: u64) -> Function {
        Function {
            start,
            name: name(probe).to_owned(),
            found_by: found_by(probe).to_owned(),
        }
    }

    /// What `process_main` calls after it has taken a process and before that one's code goes on:
    /// a look at what is saved for every process. Its parameter is the process too.
    pub(super) fn saved_calls(&self) -> Result<Function, String> {
        let start = self.after_schedule(&[self.vm.layout.process.specific])?;
        if !self.code.callers(start).is_empty() {
            return Err("what reads specific data is called from elsewhere too".to_owned());
        }
        Ok(Function {
            start,
            name: "erts_psd_get".to_owned(),
            found_by: "the JIT's process_main alone calls it, it reads specific data".to_owned(),
        })
    }

    /// Functions of the emulator among the targets of calls.
    pub(super) fn own(&self, targets: impl IntoIterator<Item = u64>) -> BTreeSet<u64> {
        let targets = targets.into_iter();
        targets.filter(|&to| self.code.is_start(to)).collect()
    }

    /// The functions that a function calls.
    pub(super) fn callees(&self, start: u64) -> BTreeSet<u64> {
        let function = start..self.code.end_of(start);
        let targets = instructions(self.code, function.clone());
        let targets = targets.map(|instruction| instruction.near_branch_target());
        let targets = targets.filter(|&to| !function.contains(&to) && self.code.is_start(to));
        targets.take(CALLS_MAX).collect()
    }

    /// The functions that a fragment calls.
    pub(super) fn of_fragment(&self, name: &str) -> BTreeSet<u64> {
        self.own(self.jit.of_fragment(name).iter().map(|call| call.to))
    }

    pub(super) fn schedule(&self) -> Found {
        let found = schedule(&self.vm.memory, self.vm.globals.jit_descriptor);
        let found = found.filter(|&start| self.code.is_start(start));
        found.ok_or_else(|| "the JIT's process_main does not show who schedules".to_owned())
    }

    fn copy_in(&self) -> Found {
        let process = &self.vm.layout.process;
        self.after_schedule(&[process.arity, process.arguments])
    }

    /// The function that `process_main` calls after `erts_schedule` and that begins with reading
    /// these fields of a process.
    fn after_schedule(&self, fields: &[u32]) -> Found {
        let schedule = self.schedule()?;
        let calls = self.jit.of_fragment("process_main");
        let after = calls.iter().skip_while(|call| call.to != schedule).skip(1);
        let reads = |&start: &u64| {
            let touched = begin(self.code, start).touched;
            let has = |&field: &u32| touched.contains(&Word::At(0, i64::from(field)));
            fields.iter().all(has)
        };
        let called = self.own(after.map(|call| call.to)).into_iter();
        let found = called.filter(reads);
        only(found, "functions that process_main calls for a process")
    }

    /// The function that a BIF calls with such words. BIFs are called with the process and a
    /// pointer to their arguments.
    fn of_bif(&self, bif: &str, arity: u32, words: &[Option<Word>]) -> Found {
        let bif_start = self.bif(bif, arity)?;
        let calls = first_calls(self.code, bif_start, self.code.end_of(bif_start));
        let passes = |call: &&FirstCall| {
            let mut pairs = words.iter().zip(&call.passed);
            pairs.all(|(wanted, passed)| wanted.is_none() || wanted == passed)
        };
        let found = calls.iter().filter(passes).map(|call| call.to);
        only(
            self.own(found),
            &format!("functions that erlang:{bif}/{arity} calls"),
        )
    }

    pub(super) fn bif(&self, bif: &str, arity: u32) -> Found {
        self.bif_of("erlang", bif, arity)
    }

    pub(super) fn bif_of(&self, module: &str, bif: &str, arity: u32) -> Found {
        let is_it = |mfa: &escope_model::Mfa| {
            mfa.module == module && mfa.function == bif && mfa.arity == arity
        };
        let found = self.vm.bifs.iter().find(|(_, mfa)| is_it(mfa));
        let found = found.map(|(&start, _)| start);
        let found = found.filter(|&start| self.code.is_start(start));
        found.ok_or_else(|| format!("{module}:{bif}/{arity} is not among the BIFs"))
    }

    fn spawn(&self) -> Found {
        let words = [P, A, B, C];
        let spawn = self.of_bif("spawn", 3, &words)?;
        match self.of_bif("spawn_link", 3, &words)? == spawn {
            true => Ok(spawn),
            false => Err("spawn/3 and spawn_link/3 call different functions".to_owned()),
        }
    }

    /// The JIT's code at the end of each process's stack calls it. It has no arguments any more
    /// from then on.
    fn exit(&self) -> Found {
        let calls = self.jit.at(self.vm.normal_exit);
        let arity = Word::At(0, i64::from(self.vm.layout.process.arity));
        let ends = |&start: &u64| begin(self.code, start).touched.contains(&arity);
        let found = self.own(calls.iter().map(|call| call.to)).into_iter();
        only(found.filter(ends), "functions where processes end")
    }

    /// What `erts_do_exit_process` calls in the end, and the module `erts_beamasm` for a process
    /// that goes on ending.
    fn continue_exit(&self) -> Found {
        let begun = self.callees(self.exit()?);
        let from_jit = self.own(self.jit.of_modules());
        let found = begun.intersection(&from_jit).copied();
        only(found, "functions that go on with an exit")
    }

    /// What code with a `receive` calls to take the message that it has looked at. Its fifth
    /// argument is the active code index, which it compares.
    fn dequeue(&self) -> Found {
        let wants = Probe::Dequeue.wants(&self.vm.layout);
        let takes = |&start: &u64| {
            let found = find(self.code, start..self.code.end_of(start), &wants);
            found.is_ok_and(|spot| spot.places.iter().all(Option::is_some))
                && begin(self.code, start).compared == Some(Word::Argument(4))
        };
        let found = self.own(self.jit.of_modules()).into_iter().filter(takes);
        only(found, "functions that take the next message")
    }

    /// What dirty schedulers call in their main loop, other than `erts_schedule`.
    fn dirty_callees(&self) -> Result<BTreeSet<u64>, String> {
        let main = self.vm.dirty_main.as_ref().map(|main| main.start);
        let main = main.ok_or("the main loop of dirty schedulers was not found")?;
        let mut callees = self.callees(main);
        callees.remove(&self.schedule()?);
        Ok(callees)
    }

    fn system_task(&self) -> Found {
        let no_bump = self.no_bump()?;
        let found = self.dirty_callees()?.into_iter();
        let found = found.filter(|&start| self.callees(start).contains(&no_bump));
        only(found, "functions that collect for dirty schedulers")
    }

    /// What calls what a process wants to be called. A NIF gets its arity, which is in the word
    /// before the code (`ErtsCodeMFA`); a BIF does not.
    fn dirty_call(&self, nif: bool) -> Found {
        let found = self.dirty_callees()?.into_iter();
        let found = found.filter(|&start| {
            let function = start..self.code.end_of(start);
            by_register(instructions(self.code, function)) == Some(nif)
        });
        only(found, "functions that call what processes want")
    }

    /// `erts_proc_sig_queue_try_enqueue_to_buffer`: it gives up at once if its caller holds
    /// `ERTS_PROC_LOCK_MSGQ`, and else looks at the receiver's buffers. `erlang:send/2` leads to
    /// it.
    fn enqueue(&self) -> Found {
        // `1 << 1` in `erl_process_lock.h`.
        const LOCK: u64 = 2;
        let buffers = u64::from(self.vm.layout.process.in_queue_buffers);
        let reached = self.reached(self.bif("send", 2)?);
        let found = reached.into_iter().filter(|&start| {
            let function = start..self.code.end_of(start);
            begin(self.code, start).tested == Some((Word::Argument(2), LOCK))
                && instructions(self.code, function).any(|instruction| {
                    instruction.memory_base().is_gpr64()
                        && instruction.memory_displacement64() == buffers
                })
        });
        only(found, "functions that test that lock and read buffers")
    }

    /// The functions that a function leads to by straight calls, the nearest ones.
    pub(super) fn reached(&self, start: u64) -> BTreeSet<u64> {
        let mut reached = BTreeSet::from([start]);
        let mut next = VecDeque::from([start]);
        while let Some(start) = next.pop_front() {
            for callee in self.callees(start) {
                if reached.len() < REACHED_MAX && reached.insert(callee) {
                    next.push_back(callee);
                }
            }
        }
        reached
    }
}

/// The only one of what was found.
pub(super) fn only<T>(found: impl IntoIterator<Item = T>, what: &str) -> Result<T, String> {
    let mut found = found.into_iter();
    match (found.next(), found.count()) {
        (Some(one), 0) => Ok(one),
        (Some(_), more) => Err(format!("{} {what}, of which one is expected", more + 1)),
        (None, _) => Err(format!("no {what}")),
    }
}
