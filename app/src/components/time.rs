//! Points in time as people read them: UTC in the server's page, the reader's own clock once the page is live.

use healthsync_core::Millis;
use leptos::prelude::*;

use super::platform;
use crate::client::use_client;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const MINUTES_A_DAY: i64 = 24 * 60;

fn minutes(at: Millis, offset: i64) -> i64 {
    i64::try_from(at.0 / 60_000).unwrap_or(i64::MAX / 2) + offset
}

/// Days since 1970-01-01 on the clock that is `offset` minutes from UTC.
pub(crate) fn day(at: Millis, offset: i64) -> i64 {
    minutes(at, offset).div_euclid(MINUTES_A_DAY)
}

/// `09:02`.
pub(crate) fn clock(at: Millis, offset: i64) -> String {
    let minute = minutes(at, offset).rem_euclid(MINUTES_A_DAY);
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Year, month from 1 and day of the month; Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, usize, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month as usize, doy - (153 * mp + 2) / 5 + 1)
}

/// `20 Feb 2027`.
pub(crate) fn date(at: Millis, offset: i64) -> String {
    let (year, month, day) = civil(day(at, offset));
    format!("{day} {} {year}", MONTHS[month - 1])
}

/// `20 Feb 2027, 09:02 UTC`, the form that wallets are compared with.
pub(crate) fn utc(at: Millis) -> String {
    format!("{}, {} UTC", date(at, 0), clock(at, 0))
}

/// `Today`, `Yesterday` or the date.
pub(crate) fn day_name(of: i64, today: i64) -> String {
    match today - of {
        0 => "Today".into(),
        1 => "Yesterday".into(),
        _ => {
            let (year, month, day) = civil(of);
            format!("{day} {} {year}", MONTHS[month - 1])
        }
    }
}

/// The machine-readable form for `<time>`.
fn iso(at: Millis) -> String {
    let (year, month, day) = civil(day(at, 0));
    format!("{year:04}-{month:02}-{day:02}T{}Z", clock(at, 0))
}

/// `HH:MM`.
#[component]
pub(crate) fn Clock(at: Millis) -> impl IntoView {
    let live = use_client().live;
    view! {
        <time datetime=iso(at)>
            {move || clock(at, if live.get() { platform::offset_minutes(at) } else { 0 })}
        </time>
    }
}

/// The date; today's things have their time instead.
#[component]
pub(crate) fn WhenShort(at: Millis) -> impl IntoView {
    let live = use_client().live;
    view! {
        <time datetime=iso(at)>
            {move || {
                if !live.get() {
                    return date(at, 0);
                }
                let offset = platform::offset_minutes(at);
                let now = platform::now();
                match day(now, offset) - day(at, offset) {
                    0 => clock(at, offset),
                    1 => "yesterday".into(),
                    _ => date(at, offset),
                }
            }}
        </time>
    }
}

/// The date in the reader's own calendar.
pub(crate) fn local_date(at: Millis) -> String {
    date(at, platform::offset_minutes(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_those_of_the_calendar() {
        let at = Millis(1_795_338_132_000); // 2026-11-22T09:02:12Z
        assert_eq!(utc(at), "22 Nov 2026, 09:02 UTC");
        assert_eq!(clock(at, 330), "14:32");
        assert_eq!(date(Millis(951_782_400_000), 0), "29 Feb 2000");
        assert_eq!(date(Millis(951_782_400_000), -1), "28 Feb 2000");
        assert_eq!(iso(at), "2026-11-22T09:02Z");
    }

    #[test]
    fn days_have_names_when_they_are_near() {
        assert_eq!(day_name(100, 100), "Today");
        assert_eq!(day_name(99, 100), "Yesterday");
        assert_eq!(day_name(0, 100), "1 Jan 1970");
    }
}
