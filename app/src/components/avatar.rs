//! A person's picture: gantry arcs computed from the address, the same everywhere. Never a status.

use healthsync_core::Person;
use leptos::prelude::*;

/// Sizes as in the style sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AvatarSize {
    Small,
    Normal,
}

#[component]
pub(crate) fn Avatar(
    person: Person,
    #[prop(default = AvatarSize::Normal)] size: AvatarSize,
) -> impl IntoView {
    let ink = person.0[0] % 6;
    let class = match size {
        AvatarSize::Small => format!("avatar avatar--s id-{ink}"),
        AvatarSize::Normal => format!("avatar id-{ink}"),
    };
    view! {
        <svg class=class viewBox="0 0 24 24" aria-hidden="true">
            <path d=arcs(&person) />
            <circle class="dot" cx="12" cy="12" r="1.7" />
        </svg>
    }
}

/// An outer and an inner arc; start and length come from four bytes of the address.
fn arcs(person: &Person) -> String {
    let byte = |i: usize| f64::from(person.0[i]) / 256.0;
    let outer = arc(8.6, byte(17) * 360.0, 150.0 + byte(18) * 130.0);
    let inner = arc(4.7, byte(16) * 360.0, 140.0 + byte(19) * 130.0);
    outer + &inner
}

fn arc(radius: f64, start: f64, sweep: f64) -> String {
    let point = |degrees: f64| {
        let angle = degrees.to_radians();
        (12.0 + radius * angle.cos(), 12.0 + radius * angle.sin())
    };
    let ((x1, y1), (x2, y2)) = (point(start), point(start + sweep));
    let large = u8::from(sweep > 180.0);
    format!("M{x1:.1} {y1:.1}A{radius} {radius} 0 {large} 1 {x2:.1} {y2:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_address_has_the_same_arcs_and_another_has_others() {
        let one = Person([7; 20]);
        let other = Person([9; 20]);
        assert_eq!(arcs(&one), arcs(&one));
        assert_ne!(arcs(&one), arcs(&other));
    }
}
