"""A Supabase project: files, exposure, users."""

from __future__ import annotations

from migrator_tui.model.catalogue.kind import Choice, Kind, Severity, quarantine

_POLICIES = (
    Choice("owner", "Users read and write their own rows; nobody else any.", lossy=False),
    Choice("owner-read", "Users read their own rows; nobody writes over the API.", lossy=False),
    Choice("read-all", "Everybody who is signed in reads every row; nobody writes.", lossy=False),
    Choice("read-public", "Everybody with the project's address reads every row, signed in or not.", lossy=False),
    Choice("admin", "Users whose app_metadata says role: admin do everything; nobody else anything.", lossy=False),
    Choice("none", "Nobody reaches the table over the API but a server with a secret key.", lossy=False),
)
"""Who may reach a table's rows over the Data API."""

_NO_USER = Choice(
    "leave",
    "The row is moved like the others, but nobody can sign in as its user; it is listed in the run's folder.",
    lossy=True,
)

KINDS = (
    Kind(
        "FILES-COLUMN",
        Severity.INFO,
        "A column whose values name files",
        "Its values are paths of files below the uploads folder. They can go to a bucket of Supabase Storage in the "
        "same run. `files:` of the configuration fixes it, with another bucket and another form of the value.",
        "documents.path is 'uploads/2024/scan.pdf'",
        (
            Choice("key", "The files go to a private bucket; the column holds each object's path there.", lossy=False),
            Choice("keep", "The files go to a private bucket; the column keeps its values.", lossy=False),
            Choice("leave", "No file is moved.", lossy=True),
        ),
    ),
    Kind(
        "FILES-BLOB",
        Severity.INFO,
        "A column whose blobs could be objects",
        "Each blob can be uploaded to a bucket of Supabase Storage instead, in the same run; the column then holds the "
        "object's path or address as text, and a pull brings the blobs back into it. `files:` of the configuration "
        "fixes it, with another bucket and another form of the value.",
        "documents.content holds the scanned pages themselves",
        (
            Choice("bytea", "The blobs stay in the column.", lossy=False),
            Choice("key", "The blobs go to a private bucket; the column holds each object's path there.", lossy=False),
            Choice(
                "url",
                "The blobs go to a public bucket, where anybody can open them; the column holds each object's address.",
                lossy=False,
            ),
        ),
    ),
    Kind(
        "FILES-BLOB-KEPT",
        Severity.WARNING,
        "A column of blobs that cannot become objects",
        "The blobs stay in the column: something depends on their bytes, or no key tells the rows apart for good.",
        "an index over the column, or a table without rowid",
    ),
    Kind(
        "FILES-USER-ID",
        Severity.INFO,
        "Paths that begin with a user's id",
        "Users' ids become UUIDs, and so can the ids in their files' paths: policies of Storage compare the first "
        "folder of an object's name with auth.uid(). A pull gives the source's paths back.",
        "users.avatar is 'uploads/42/avatar.png'",
        (
            Choice("uuid", "The object's path begins with the user's UUID, and so does the column's.", lossy=False),
            Choice("keep", "The path keeps the id that it has.", lossy=False),
        ),
    ),
    Kind(
        "FILES-VALUE-KEPT",
        Severity.WARNING,
        "A column of paths that cannot be rewritten",
        "The files are moved, and the column keeps its values: a foreign key, a check, a generated column or its type "
        "depends on them. The object's path is the value without its prefix, in the spelling of the report.",
        "a CHECK says path LIKE 'uploads/%'",
    ),
    Kind(
        "FILES-MISSING",
        Severity.WARNING,
        "Values that name no file",
        "The rows are moved as they are; there is no file of that path below the uploads folder.",
        "documents 7 names uploads/gone.pdf",
    ),
    Kind(
        "FILES-REFUSED",
        Severity.WARNING,
        "Values that are not followed",
        "Paths with '..', absolute paths, symbolic links that lead out of the uploads folder, and what is no regular "
        "file. The rows are moved as they are; no such file is ever read.",
        "documents 8 names ../../etc/passwd",
    ),
    Kind(
        "FILES-UNREFERENCED",
        Severity.INFO,
        "Files that no row names",
        "They stay where they are.",
        "uploads/old/draft.docx, which no column names",
    ),
    Kind(
        "FILES-TOO-LARGE",
        Severity.ERROR,
        "Files above the bucket's limit",
        "The bucket takes no file of that size. Raise its limit on the target and plan again, or leave the files out.",
        "a film of 200 MB, and a bucket with a limit of 50 MB",
        (Choice("leave", "These files stay behind; the rows that name them are moved.", lossy=True),),
    ),
    Kind(
        "FILES-LARGE",
        Severity.WARNING,
        "Files above 50 MB",
        "The free plan of Supabase takes files of up to 50 MB; a paid one what its Storage settings say.",
        "a film of 200 MB",
    ),
    Kind(
        "FILES-TYPE",
        Severity.ERROR,
        "Files of a type that the bucket does not take",
        "The bucket has a list of MIME types. Add the type there and plan again, or leave the files out.",
        "a .docx, and a bucket for image/*",
        (Choice("leave", "These files stay behind; the rows that name them are moved.", lossy=True),),
    ),
    Kind(
        "FILES-KEY",
        Severity.ERROR,
        "Paths that are too long for a key",
        "A key has about 800 bytes at most, in which a letter beyond A to Z takes six to nine.",
        "a path of 300 Chinese characters",
        (Choice("leave", "These files stay behind; the rows that name them are moved.", lossy=True),),
    ),
    Kind(
        "FILES-CONFLICT",
        Severity.ERROR,
        "Objects of another content under the same key",
        "The bucket is there and holds something else at that place; nothing of it is ever replaced.",
        "documents/scan.pdf has 12 bytes, uploads/scan.pdf 4,096",
        (Choice("keep", "The object there stays, and the row names it; the file stays behind.", lossy=True),),
    ),
    Kind(
        "FILES-BUCKET",
        Severity.ERROR,
        "A bucket that is there and open otherwise than asked",
        "Anyone who knows the address can read the files of a public bucket.",
        "documents is public, and asked to be private",
        (Choice("use", "The files go there; the bucket stays as it is.", lossy=False),),
    ),
    Kind(
        "FILES-NOT-MOVED",
        Severity.WARNING,
        "Files that cannot be moved here",
        "Moving files takes the uploads folder, the address of the project's API and a target with Supabase Storage.",
        "a target that is a plain PostgreSQL",
    ),
    Kind(
        "EXPOSURE-OWNER",
        Severity.WARNING,
        "A table whose rows belong to users",
        "It refers to the table of users. Row-level security lets each user of Supabase Auth reach their own rows over "
        "the Data API, and nobody else's.",
        "notes.author_id refers to users",
        _POLICIES,
    ),
    Kind(
        "EXPOSURE-NONE",
        Severity.INFO,
        "A table that nobody may reach over the Data API",
        "Nothing says whose its rows are. Row-level security is on and has no policy; servers with a secret key, and "
        "database connections, reach it as ever.",
        "sections has no reference to users",
        _POLICIES[:1:-1],
    ),
    Kind(
        "EXPOSURE-EXISTING",
        Severity.WARNING,
        "Who may reach a table that is there already",
        "Its rights and policies are the application's. They are journalled, and rolling back gives them back.",
        "exposure: {orders: {owner: user_id}}, and public.orders is on the target",
        (
            Choice("set", "Row-level security is turned on; policies and rights are added.", lossy=False),
            Choice("leave", "Its rights and policies stay as they are.", lossy=False),
        ),
    ),
    Kind(
        "EXPOSURE-SENSITIVE",
        Severity.WARNING,
        "A column that nobody should read over the Data API",
        "Its name or its values are those of a password, a token, a second factor or a payment.",
        "users.password_hash",
        (
            Choice("hide", "The column is moved; API roles other than service_role get no right on it.", lossy=False),
            Choice("leave", "The column is left behind.", lossy=True),
            Choice("show", "Whoever may read the row may read it.", lossy=False),
        ),
    ),
    Kind(
        "EXPOSURE-NO-PROJECT",
        Severity.INFO,
        "The target is no Supabase project",
        "It has no roles anon, authenticated and service_role, and no Data API: there is nobody to expose tables to.",
        "a rehearsal on the embedded server",
    ),
    Kind(
        "USERS-TABLE",
        Severity.WARNING,
        "A table of the application's users",
        "Its name, its addresses and its passwords say so. Only users of Supabase Auth can sign in to a project, and "
        "only their ids are known to policies. `users:` of the configuration fixes it, with other columns.",
        "users has email and password_hash",
        (
            Choice(
                "auth",
                "They become users of Supabase Auth; the table stays, and their ids become UUIDs wherever they are.",
                lossy=False,
            ),
            Choice("table", "It stays a table like any other; nobody can sign in.", lossy=False),
        ),
    ),
    Kind(
        "USERS-NO-PROJECT",
        Severity.WARNING,
        "The target has no users",
        "It is no Supabase project: there is no Auth that could take the users over, and their ids stay as they are.",
        "a rehearsal on the embedded server",
    ),
    Kind(
        "USER-IDS",
        Severity.INFO,
        "Ids of users that become UUIDs",
        "Supabase Auth knows users by UUID. Each id of the source is given one that is the same at every migration, in "
        "the table of users and in every column that refers to it. migrator.key_map on the target keeps the pairs, by "
        "which a pull gives the source's ids back. What treats such a column as a number cannot be carried, and is "
        "told.",
        "users.id 7 becomes 0b3c8a52-…, and so does posts.author 7",
    ),
    Kind(
        "USER-SAME-ADDRESS",
        Severity.ERROR,
        "Users whose addresses Auth takes for one",
        "Supabase Auth keeps addresses in lower case and each once. The first row of an address becomes the user.",
        "user 7 is 'Ada@example.org', user 2 'ada@example.org'",
        (_NO_USER, quarantine("The row")),
    ),
    Kind(
        "USER-REFUSED",
        Severity.ERROR,
        "Users whose address Auth refuses",
        "Supabase Auth takes e-mail addresses of ASCII characters with a host name, up to 255 bytes.",
        "the address of user 9 is 'jürgen@'",
        (_NO_USER, quarantine("The row")),
    ),
    Kind(
        "USER-NO-ADDRESS",
        Severity.ERROR,
        "Users without an address",
        "Supabase Auth has no users without an e-mail address and a phone number.",
        "users.email of row 4 is NULL",
        (_NO_USER, quarantine("The row")),
    ),
    Kind(
        "USER-RESET",
        Severity.WARNING,
        "Passwords that Auth does not take over",
        "Supabase Auth verifies bcrypt, argon2i and argon2id, and Firebase's scrypt. Users with another hash, or with "
        "none, are made without a password that anybody knows; they are listed in the run's folder, to be sent a link "
        "for a new one. The run sends nothing.",
        "the hash of user 3 is Django's PBKDF2",
    ),
    Kind(
        "USER-MATCHED",
        Severity.INFO,
        "Users who are there already",
        "A user of the same address is on the target. They keep their identifier and password, and the source's rows "
        "become theirs.",
        "ada@example.org signed up last week",
    ),
    Kind(
        "USER-PART",
        Severity.INFO,
        "Users who lose one of their addresses",
        "A phone number that is not in international form or is another user's, or an e-mail address that Auth refuses "
        "beside a number that it takes, is not given to the user. The column keeps it.",
        "the number of user 5 is '0151/12345'",
    ),
    Kind(
        "USER-TRIGGER",
        Severity.WARNING,
        "A trigger on auth.users",
        "It fires for each user that is made, and writes what its function says: mostly a row of a table of profiles. "
        "The rows it writes are counted and told in the report, and undoing the run deletes those that nobody changed.",
        "on_auth_user_created runs handle_new_user",
    ),
)
