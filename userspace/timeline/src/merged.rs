//! The rows of a recording's tables in one order, that of their beginnings.

use std::iter::Peekable;

use escope_model::{Collection, DistEvent, Life, Message, ModuleEvent, OffCpu, PortEvent, Run};

/// The tables, each in the order of time: `start_ns`, `sent_ns`, `ts_ns`.
#[derive(Debug)]
pub struct Tables<R, M, L, C, O, D, P, N> {
    /// Runs.
    pub runs: R,
    /// Messages.
    pub messages: M,
    /// What happened to processes.
    pub lives: L,
    /// Garbage collections.
    pub collections: C,
    /// When schedulers had no CPU.
    pub off_cpu: O,
    /// Modules that were loaded and purged.
    pub modules: D,
    /// What happened to ports.
    pub ports: P,
    /// Signals to other nodes and from them.
    pub dist: N,
}

/// A row of any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// Of `lifecycle`.
    Life(Life),
    /// Of `runs`.
    Run(Run),
    /// Of `gc`.
    Collection(Collection),
    /// Of `off_cpu`.
    OffCpu(OffCpu),
    /// Of `modules`.
    Module(ModuleEvent),
    /// Of `port_events`.
    Port(PortEvent),
    /// Of `dist`.
    Dist(DistEvent),
    /// Of `messages`.
    Message(Message),
}

impl Happening {
    /// When it began: nanoseconds since the recording's start.
    #[must_use]
    pub fn begin_ns(&self) -> u64 {
        since_start(match self {
            Happening::Life(life) => life.ts_ns,
            Happening::Run(run) => run.start_ns,
            Happening::Collection(collection) => collection.start_ns,
            Happening::OffCpu(off_cpu) => off_cpu.start_ns,
            Happening::Module(module) => module.ts_ns,
            Happening::Port(port) => port.ts_ns,
            Happening::Dist(event) => event.ts_ns,
            Happening::Message(message) => message.sent_ns,
        })
    }
}

/// A time of a row. What claims to be from before the recording counts as its start.
#[must_use]
pub fn since_start(ns: i64) -> u64 {
    u64::try_from(ns).unwrap_or(0)
}

impl<R, M, L, C, O, D, P, N, E> Tables<R, M, L, C, O, D, P, N>
where
    R: Iterator<Item = Result<Run, E>>,
    M: Iterator<Item = Result<Message, E>>,
    L: Iterator<Item = Result<Life, E>>,
    C: Iterator<Item = Result<Collection, E>>,
    O: Iterator<Item = Result<OffCpu, E>>,
    D: Iterator<Item = Result<ModuleEvent, E>>,
    P: Iterator<Item = Result<PortEvent, E>>,
    N: Iterator<Item = Result<DistEvent, E>>,
{
    /// All rows. Of those that begin at once a spawn comes before a run, and that before
    /// what it does. Nothing is held but the next row of each table. After an
    /// error the others go on: who cannot use that stops there.
    pub fn merged(self) -> impl Iterator<Item = Result<Happening, E>> {
        Merged {
            lives: self.lives.peekable(),
            runs: self.runs.peekable(),
            collections: self.collections.peekable(),
            off_cpu: self.off_cpu.peekable(),
            modules: self.modules.peekable(),
            ports: self.ports.peekable(),
            dist: self.dist.peekable(),
            messages: self.messages.peekable(),
        }
    }
}

struct Merged<
    R: Iterator,
    M: Iterator,
    L: Iterator,
    C: Iterator,
    O: Iterator,
    D: Iterator,
    P: Iterator,
    N: Iterator,
> {
    lives: Peekable<L>,
    runs: Peekable<R>,
    collections: Peekable<C>,
    off_cpu: Peekable<O>,
    modules: Peekable<D>,
    ports: Peekable<P>,
    dist: Peekable<N>,
    messages: Peekable<M>,
}

/// When the next row begins; what cannot be read is told at once.
fn next_ns<T, E>(next: Option<&Result<T, E>>, begin_ns: impl Fn(&T) -> i64) -> Option<i64> {
    next.map(|row| row.as_ref().map_or(i64::MIN, begin_ns))
}

impl<R, M, L, C, O, D, P, N, E> Iterator for Merged<R, M, L, C, O, D, P, N>
where
    R: Iterator<Item = Result<Run, E>>,
    M: Iterator<Item = Result<Message, E>>,
    L: Iterator<Item = Result<Life, E>>,
    C: Iterator<Item = Result<Collection, E>>,
    O: Iterator<Item = Result<OffCpu, E>>,
    D: Iterator<Item = Result<ModuleEvent, E>>,
    P: Iterator<Item = Result<PortEvent, E>>,
    N: Iterator<Item = Result<DistEvent, E>>,
{
    type Item = Result<Happening, E>;

    fn next(&mut self) -> Option<Result<Happening, E>> {
        let nexts = [
            next_ns(self.lives.peek(), |row| row.ts_ns),
            next_ns(self.runs.peek(), |row| row.start_ns),
            next_ns(self.collections.peek(), |row| row.start_ns),
            next_ns(self.off_cpu.peek(), |row| row.start_ns),
            next_ns(self.modules.peek(), |row| row.ts_ns),
            next_ns(self.ports.peek(), |row| row.ts_ns),
            next_ns(self.dist.peek(), |row| row.ts_ns),
            next_ns(self.messages.peek(), |row| row.sent_ns),
        ];
        let first = nexts.iter().flatten().min()?;
        match nexts.iter().position(|next| next.as_ref() == Some(first))? {
            0 => self.lives.next().map(|row| row.map(Happening::Life)),
            1 => self.runs.next().map(|row| row.map(Happening::Run)),
            2 => {
                let next = self.collections.next();
                next.map(|row| row.map(Happening::Collection))
            }
            3 => self.off_cpu.next().map(|row| row.map(Happening::OffCpu)),
            4 => self.modules.next().map(|row| row.map(Happening::Module)),
            5 => self.ports.next().map(|row| row.map(Happening::Port)),
            6 => self.dist.next().map(|row| row.map(Happening::Dist)),
            _ => self.messages.next().map(|row| row.map(Happening::Message)),
        }
    }
}
