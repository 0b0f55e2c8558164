-- The same GET again and again; the path is in the URL.
dofile(os.getenv("WRK_DIR") .. "/report.lua")
