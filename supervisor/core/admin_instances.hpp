// The admin service's entries as a provider of instances: each entry a block of the fields that count. An
// entry with a value that its key does not take is left out as a whole, a field that [admin] allow does not
// name is left out alone. What a block comes to in this configuration is admin_merge's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "supervisor/core/admin_entry.hpp"
#include "supervisor/core/instance_provider.hpp"

namespace pmctl {

class AdminInstances {
  public:
    // `allow`: of [admin]; "app", "description" and "db_name" need not be in it, a table ("health") stands
    // for all of its keys. `folder`: what relative paths are seen from, absolute. What does not count is
    // added to `left_out`.
    AdminInstances(const std::vector<AdminEntry>& entries, const std::vector<std::string>& allow,
                   const std::string& folder, std::vector<AdminOmission>& left_out);

    std::vector<std::string> ids() const;
    LayerIndex::Blocks find(std::string_view id) const;

  private:
    std::vector<Block> blocks_;  // sorted by name, each once
};
static_assert(InstanceProvider<AdminInstances>);

}  // namespace pmctl
