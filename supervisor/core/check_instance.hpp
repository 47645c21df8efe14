// The checks of one merged instance by itself: what is missing, and values that contradict each other.
#pragma once

#include "supervisor/core/config_check.hpp"
#include "supervisor/core/problem_list.hpp"

namespace pmctl {

void check_instance(const MergedInstance& instance, const CheckedConfig& config, ProblemList& problems);

}  // namespace pmctl
