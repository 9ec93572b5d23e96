//! Mailboxes, the longest first, each with its oldest messages.

use std::cmp::Reverse;
use std::io::Write;

use escope_timeline::frame::{Lying, ProcessFrame};

use super::{Told, length};
use crate::coverage::{name, sender, what};
use crate::payloads::shown;
use crate::printable::one_line;
use crate::time;

/// Characters of what a message said.
const SAID_MAX: usize = 200;

impl Told<'_> {
    pub(super) fn print_mailboxes(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        if !self.recorded.messages {
            return Ok(writeln!(out, "\nmessages were not recorded")?);
        }
        let counts = &self.counts;
        let unsure = match counts.messages_unsure {
            0 => String::new(),
            many => format!("; {many} more may, marked ?: what became of them was not seen"),
        };
        writeln!(
            out,
            "\n{} messages lie in {} mailboxes{unsure}",
            counts.messages, counts.mailboxes,
        )?;
        if counts.messages_unseen > 0 {
            writeln!(
                out,
                "{} more came before events were watched, as a checkpoint has counted",
                counts.messages_unseen
            )?;
        }
        if self.frame.astray > 0 {
            writeln!(
                out,
                "{} were sent to processes of which it is not known whether they were there",
                self.frame.astray
            )?;
        }
        let mut full: Vec<&ProcessFrame> = self
            .processes()
            .filter(|process| !process.mailbox.is_empty())
            .collect();
        full.sort_by_key(|process| {
            let mailbox = &process.mailbox;
            (
                Reverse(mailbox.sure.saturating_add(mailbox.unseen)),
                Reverse(mailbox.unsure),
                process.proc,
            )
        });
        for process in full.iter().take(self.args.rows) {
            let who = name(self.dictionary, process.proc);
            let oldest = process.mailbox.oldest_ns.map_or_else(String::new, |ns| {
                format!(", the oldest for {}", time::show(self.ago_ns(ns)))
            });
            writeln!(out, "  {} {}{oldest}", length(process), one_line(&who))?;
            let first = &process.mailbox.first;
            for lying in first.iter().take(self.args.rows) {
                self.print_message(lying, out)?;
            }
            let shown = first.len().min(self.args.rows) as u64;
            let more = (process.mailbox.sure + process.mailbox.unsure).saturating_sub(shown);
            if more > 0 {
                writeln!(out, "      and {more} more: -n shows them")?;
            }
        }
        let more = full.split_at(self.args.rows.min(full.len())).1.len();
        if more > 0 {
            writeln!(out, "  and {more} more mailboxes: -n shows them")?;
        }
        Ok(())
    }

    fn print_message(&self, lying: &Lying, out: &mut dyn Write) -> anyhow::Result<()> {
        let message = &lying.message;
        let said = self.said.get(&message.msg);
        let said = said.map_or_else(String::new, |said| format!(": {}", shown(said, SAID_MAX)));
        let line = format!(
            "{} from {}{said}",
            what(message),
            sender(self.dictionary, message.from)
        );
        writeln!(
            out,
            "    {} {:>9}  {}",
            if lying.is_sure { ' ' } else { '?' },
            time::show(self.ago_ns(message.sent_ns)),
            one_line(&line)
        )?;
        Ok(())
    }
}
