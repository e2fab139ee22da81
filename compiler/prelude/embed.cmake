# Writes OUT, a C file holding each of FILES as a NUL-terminated byte array,
# behind prelude_text and prelude_names (compiler/sema/sema.h).
set(text "#include \"sema/sema.h\"\n#include <string.h>\n\n")
set(names "")
set(rows "")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND text "static const char text_${name}[] = {${bytes}0};\n")
  string(APPEND names "    \"${name}\",\n")
  string(APPEND rows "    if (!strcmp(name, \"${name}\"))\n        return text_${name};\n")
endforeach()
string(APPEND text "\nconst char *const prelude_names[] = {\n${names}    NULL\n};\n\n"
  "const char *prelude_text(const char *name)\n{\n${rows}    return NULL;\n}\n")
file(WRITE ${OUT} "${text}")
