#include "supervisor/io/resident.hpp"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace pmctl {

namespace {

// Only of segments that nobody can have written to: there a page is always that of the file. Pages that were
// relocated lie in segments with PF_W, which are left alone (dl_iterate_phdr(3), madvise(2)).
int drop_pages(dl_phdr_info* object, std::size_t, void* page_size) {
    const std::uintptr_t page = *static_cast<const std::uintptr_t*>(page_size);
    for (int i = 0; i < object->dlpi_phnum; ++i) {
        const auto& segment = object->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
        const std::uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
        const std::uintptr_t end = (object->dlpi_addr + segment.p_vaddr + segment.p_memsz) & ~(page - 1);
        if (end <= begin) continue;
        // NOLINTNEXTLINE(performance-no-int-to-ptr): a segment's place is a number
        ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // refused: they stay
    }
    return 0;
}

}  // namespace

void give_back_memory() {
    ::malloc_trim(0);
    auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    ::dl_iterate_phdr(drop_pages, &page);
}

}  // namespace pmctl
