/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * How many words a message takes. A read is dear however short it is, so one takes the term, how
 * its data lies and what is used of the fragment within the message, which are close together.
 *
 * A message without a fragment within is a shorter struct (ErtsMessageRef in erl_message.h): what
 * is read behind it belongs to others and is not looked at, and need not be mapped.
 */
#pragma once

/* ERTS_MSG_COMBINED_HFRAG in erl_message.h. */
#define FRAGMENT_WITHIN 1
/* From ErtsMessage.data to ErtsMessage.hfrag.used_size and a bit: a power of two. */
#define MESSAGE_WORDS 16

struct message_words {
	u64 at[MESSAGE_WORDS];
};

#define MESSAGE_WORD(from, what_at) \
	((from)->at[((what_at) - event_config.message_attached_at) / 8 & (MESSAGE_WORDS - 1)])

/* Reads what is put into the queue; returns how many words are used of the fragment within it,
 * or 0 where there is none, or more than the message lies in it. */
static __always_inline u64 term_and_size(struct event *event, u64 signal, u64 *term)
{
	struct message_words words;
	u32 bytes = event_config.message_used_at + 8 - event_config.message_attached_at;

	if (bytes > sizeof(words) || event_config.message_term_at < event_config.message_attached_at ||
	    event_config.message_term_at + 8 > event_config.message_used_at ||
	    bpf_probe_read_user(&words, bytes, (void *)(signal + event_config.message_attached_at))) {
		TAKE(event, *term, signal + event_config.message_term_at);
		return 0;
	}
	*term = MESSAGE_WORD(&words, event_config.message_term_at);
	/* A token of seq_trace, m[1], is copied there too. */
	if (MESSAGE_WORD(&words, event_config.message_attached_at) != FRAGMENT_WITHIN ||
	    (MESSAGE_WORD(&words, event_config.message_term_at + 8) & 3) == 2)
		return 0;
	return MESSAGE_WORD(&words, event_config.message_used_at);
}
