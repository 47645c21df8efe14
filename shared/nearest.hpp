// "Did you mean": the candidate that is nearest to a mistyped word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pmctl {

// By edit distance with swaps of neighbours (Damerau-Levenshtein, optimal string alignment), case aside; ""
// where nothing is near: more than a third of the word, and at least two, would have to change.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace pmctl
