// The seam between a supervisor that was killed and the next one: which bytes in a FIFO are in the log
// already, since the kill fell between writing them and taking them out. A pure decision over the end of the
// log and the beginning of the FIFO; reading and acting is logs.hpp's.
//
// What one read brought is written with one time of its own, so it can be told from all others: the lines of
// that time and stream at the end of the log, and nothing behind them. A FIFO that begins with their text, or
// with an end of it (taking out was cut short), repeats it. Or its program says the same again, and dropping
// that would lose it. So bytes are dropped only
// - behind a torn line whose text the FIFO has too: it was in the middle of being written; or
// - when they are `certain_repeat` at least, and neither are they a repetition in themselves nor does the log
//   have them right before: a program that says one thing again and again is given the benefit of the doubt.
// A short repetition stays. At the seam lines may be doubled; none is ever lost.
#pragma once

#include <string>
#include <string_view>

#include "shared/result.hpp"
#include "supervisor/io/cri_format.hpp"

namespace pmctl {

constexpr std::size_t certain_repeat = 4096;

struct LogSeam {
    std::size_t repeated = 0;  // first bytes of the FIFO: to be taken out
    std::size_t torn = 0;      // last bytes of the log: to be cut, they come again
};
// `log_end` holds two reads' worth or all that there is; it may begin within a line.
LogSeam find_seam(std::string_view log_end, std::string_view fifo_begin, LogStream stream);

// The last `size` bytes of a log, through its newest rotation; less where there are no more.
Result<std::string> end_of_log(const std::string& folder, std::size_t size);

}  // namespace pmctl
