// The admin service's entries put into a configuration: which of them make an instance, and which are left
// out and why. Field by field the order is that of config_layers.hpp. An entry is left out where
//
//   it makes no valid instance     no template and no command, values that contradict each other
//   it is the admin service        the instance that [admin] names is the files' alone
//   a replica has its id           "web:1" where there is a "web", be it static or another entry
//   its hostname or port is taken  by a static instance, by an entry to which files give it, by a lower id
//   it depends on itself           in a circle with others; every entry in the circle is left out
//
// Where files describe an instance of that id completely, that instance stays as they say.
#pragma once

#include <vector>

#include "supervisor/core/admin_entry.hpp"
#include "supervisor/core/config.hpp"

namespace pmctl {

struct AdminMerge {
    std::vector<SpecPtr> instances;       // all of the configuration's, sorted by id
    std::vector<AdminOmission> left_out;  // sorted by id
};

// `config`: with a static_part. Takes time in proportion to the entries and the static instances.
AdminMerge merge_admin(const Config& config, const std::vector<AdminEntry>& entries);

}  // namespace pmctl
