// Errors planted in the real code paths, so that tests can see each of them found. A release build holds
// none of them: there is_planted() is constant false.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace repasse {

enum class planted : std::uint8_t {
  none,
  answer_before_durable,      ///< 202 before the append has come back
  ignore_token,               ///< a repeated id of the same epoch counts as the own row
  reroute_on_unknown,         ///< a send without a known outcome counts as not taken
  lost_answer_is_not_sent,    ///< EOF after the last byte counts as not taken
  trust_missing_in_doubt,     ///< a 404 after a time-out counts as not taken
  reopen_after_failed_resend, ///< a 500 for a re-send opens the payment to other processors
  own_time_for_known,         ///< a payment that was taken before is booked with this send's requestedAt
  other_amount_is_taken,      ///< the processor's amount is not compared
  send_before_choice,         ///< the send does not wait for the committed choice
  send_after_refused_choice,  ///< a refused compare-and-set is not looked at
  believe_choice_in_doubt,    ///< a choice whose commit is in doubt counts as committed
  amend_without_version,      ///< compare-and-set on the owner alone
  settle_twice,               ///< a repeated settle counts again
  adopt_as_accepted,          ///< a row taken over forgets the processor that it names
  no_adoption,                ///< nobody takes over the rows of the dead
  no_stray_scan,              ///< rows taken over in doubt are never looked for
  no_mark,                    ///< a silent epoch is swept without being marked, so its owner goes on
  believe_old_read_back,      ///< a change in doubt that a read-back does not show counts as not written
  import_forgets_first,       ///< a payment leaves Redis before the ledger has it
  intake_authorises_send,     ///< a payment taken in is sent before its import
  import_only_on_return,      ///< only an instance that has taken payments in itself imports
  no_claim,                   ///< what a dead instance took out of the stream is never claimed
  no_sweep_of_intake,         ///< what a restarted Redis holds and its group does not give is never imported
  no_memory_of_intake,        ///< what Redis has lost is not taken in again
  stream_deleted,             ///< the end of one import deletes the whole stream
  send_unasked,               ///< after a restore no processor is asked before a payment's first send
  trust_silence,              ///< a processor that does not answer the question counts as one without it
  believe_word_at_once,       ///< what is declared rejected is so while a send may still land
  believe_early_word, ///< a silent processor's payment is rejected by a word older than its last landing
  send_after_word,    ///< what was declared of a payment does not keep it from being sent
  send_unheard,       ///< a payment taken over is sent before it is known what was declared of it
  // Those that need a PostgreSQL.
  unsorted_batch,           ///< a batch goes in the order in which it came
  settle_without_returning, ///< the books grow by what was asked for, not by what was changed
  append_past_mark,         ///< an append does not look whether its epoch is over
  no_fence,                 ///< an epoch is swept while transactions older than its mark are under way
  early_fence,              ///< the fence is the number of the transaction that sets the mark
  late_number,              ///< a write gets its number after its snapshot
  count
};

#ifdef REPASSE_PLANTED_ERRORS
inline planted planted_error = planted::none;
[[nodiscard]] inline bool is_planted(planted error) { return planted_error == error; }

/// Simulation finds those before it, tests against a PostgreSQL the others.
inline constexpr planted first_of_postgres = planted::unsorted_batch;

inline constexpr std::array<std::string_view, static_cast<std::size_t>(planted::count)> planted_names{
    "none",
    "answer_before_durable",
    "ignore_token",
    "reroute_on_unknown",
    "lost_answer_is_not_sent",
    "trust_missing_in_doubt",
    "reopen_after_failed_resend",
    "own_time_for_known",
    "other_amount_is_taken",
    "send_before_choice",
    "send_after_refused_choice",
    "believe_choice_in_doubt",
    "amend_without_version",
    "settle_twice",
    "adopt_as_accepted",
    "no_adoption",
    "no_stray_scan",
    "no_mark",
    "believe_old_read_back",
    "import_forgets_first",
    "intake_authorises_send",
    "import_only_on_return",
    "no_claim",
    "no_sweep_of_intake",
    "no_memory_of_intake",
    "stream_deleted",
    "send_unasked",
    "trust_silence",
    "believe_word_at_once",
    "believe_early_word",
    "send_after_word",
    "send_unheard",
    "unsorted_batch",
    "settle_without_returning",
    "append_past_mark",
    "no_fence",
    "early_fence",
    "late_number"};
static_assert(!planted_names.back().empty());

/// `count` if there is none of that name.
[[nodiscard]] constexpr planted planted_of(std::string_view name) {
  return static_cast<planted>(std::find(planted_names.begin(), planted_names.end(), name) -
                              planted_names.begin());
}
#else
[[nodiscard]] constexpr bool is_planted(planted) { return false; }
#endif

} // namespace repasse
