//! The steps that make the databases' tables. They are listed here, not found by sqlx's macro: that brings the drivers
//! into every build once more. A step that has been released never changes again.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// A file's name, `NUMBER_ABOUT`, and its statements.
type Step = (&'static str, &'static str);

macro_rules! steps {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../", $folder, "/", $name, ".sql")))),+]
    };
}

/// The embedded database's.
const EMBEDDED: &[Step] = steps!["migrations":
    "0001_mailbox",
    "0002_registry_index",
    "0003_uploads",
    "0004_removals",
    "0010_storage",
    "0050_tokens",
    "0060_offers",
    "0070_revocations",
    "0080_retention",
    "0100_replaced_blocks",
    "0110_relays",
    "0120_awaited_shares",
];

/// Those of a mailbox in PostgreSQL.
const POSTGRES: &[Step] = steps!["migrations/postgres":
    "0001_mailbox",
    "0002_revocations",
    "0003_retention",
    "0004_relays",
];

/// Makes or updates the embedded database's tables.
pub(crate) fn embedded() -> Migrator {
    migrator(EMBEDDED)
}

/// Makes or updates the tables of a mailbox in PostgreSQL.
pub(crate) fn postgres() -> Migrator {
    migrator(POSTGRES)
}

fn migrator(steps: &[Step]) -> Migrator {
    let migration = |(name, statements): &Step| {
        let (number, about) = name.split_once('_').unwrap_or((name, ""));
        Migration::new(
            number.parse().expect("a step's name begins with a number"),
            about.replace('_', " ").into(),
            MigrationType::Simple,
            statements.into_sql_str(),
            false,
        )
    };
    Migrator::with_migrations(steps.iter().map(migration).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folders_is_a_step() {
        for (folder, steps) in [("migrations", EMBEDDED), ("migrations/postgres", POSTGRES)] {
            let folder = format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"));
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter_map(|name| Some(name.strip_suffix(".sql")?.to_owned()))
                .collect();
            files.sort();
            let names: Vec<&str> = steps.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, files);
            assert_eq!(migrator(steps).iter().count(), steps.len());
        }
    }
}
