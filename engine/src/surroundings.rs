//! A request as a subject. What lives here: [`Request`], which reads each attribute at most once and
//! only when it is asked for, and [`Surroundings`], what it needs beyond the headers. What does not:
//! how headers are cut (see [`request`](crate::request)), and any host.

use crate::assign::MAX_UNIT_BYTES;
use crate::attribute::{Attribute, AttributeId, Generated, Subject};
use crate::attributes::Attributes;
use crate::pin::Pin;
use crate::request::Headers;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

/// What headers don't tell. Everything but time and chance may be missing.
pub trait Surroundings {
    /// Milliseconds since 1970; the same as the walk is given.
    fn now_ms(&self) -> i64;

    /// A number that every `u64` is as likely to be as any other; see [`Subject::chance`].
    fn chance(&self) -> u64;

    /// The whole body. `None` where it was not buffered, or is larger than the limit.
    fn body(&self) -> Option<&[u8]> {
        None
    }

    /// The client's address without port.
    fn source_address(&self) -> Option<Cow<'_, [u8]>> {
        None
    }

    /// A claim of the JWT that `provider` verified, as text.
    fn jwt_claim(&self, provider: &str, path: &[Box<str>]) -> Option<Cow<'_, [u8]>> {
        let _ = (provider, path);
        None
    }

    /// A fresh identifier for a cookie that the request doesn't bring. Asked at most once for each
    /// [`Generated`]. Whoever mints must set the cookie, assigned or not: a unit that was minted
    /// anew until it is assigned would be assigned in the end, whatever its share.
    fn mint(&self, cookie: &Generated) -> Option<Cow<'_, str>> {
        let _ = cookie;
        None
    }

    /// A fresh identifier of this request.
    fn request_id(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// See [`Subject::pins`].
    fn pins(&self) -> &[Pin] {
        &[]
    }
}

/// No surroundings: the headers are all there is, it is 1970 and nothing is left to chance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bare;

impl Surroundings for Bare {
    fn now_ms(&self) -> i64 {
        0
    }

    fn chance(&self) -> u64 {
        0
    }
}

/// What one attribute of a request is.
type Value<'a> = Option<Cow<'a, [u8]>>;

/// A value that was read, and whose it is.
#[derive(Clone, Copy, Debug)]
enum Kept<'a> {
    Nothing,
    Missing(AttributeId),
    Borrowed(AttributeId, &'a [u8]),
    /// One of [`Request::made`].
    Made(AttributeId, usize),
}

impl Kept<'_> {
    #[inline]
    fn owner(&self) -> Option<AttributeId> {
        match self {
            Self::Nothing => None,
            Self::Missing(owner) | Self::Borrowed(owner, _) | Self::Made(owner, _) => Some(*owner),
        }
    }
}

/// Values that had to be made, in the order in which they were: few, if any.
#[derive(Debug, Default)]
struct Made(OnceCell<Box<(Box<[u8]>, Made)>>);

impl Made {
    /// Keeps one more; its place.
    #[cold]
    fn push(&self, value: Box<[u8]>) -> usize {
        let (mut last, mut place) = (self, 0_usize);
        while let Some(link) = last.0.get() {
            last = &link.1;
            place = place.wrapping_add(1);
        }
        last.0.get_or_init(|| Box::new((value, Self::default())));
        place
    }

    fn get(&self, place: usize) -> Option<&[u8]> {
        let mut link = self.0.get()?;
        for _ in 0..place {
            link = link.1.0.get()?;
        }
        Some(&link.0)
    }
}

/// How many attributes are kept without an allocation.
const NEAR: usize = 8;

/// A request bound to a plan's attributes.
///
/// The headers are gone through once, for those that the plan asks for; everything else is read when
/// it is asked for. Values are kept in a small table by the attribute's number; the first [`NEAR`]
/// cost no allocation, however many the plan has.
#[derive(Debug)]
pub struct Request<'a, S = Bare> {
    headers: Headers<'a>,
    attributes: &'a Attributes,
    surroundings: &'a S,
    near: [Cell<Kept<'a>>; NEAR],
    made: Made,
    far: OnceCell<Box<[OnceCell<Value<'a>>]>>,
    /// Whether the plan asks for more of the request's headers than are near.
    has_more_headers: bool,
}

impl<'a> Request<'a> {
    /// Binds `headers` to the table of [`Plan::attributes`](crate::plan::Plan::attributes).
    #[must_use]
    #[inline]
    pub fn new(headers: Headers<'a>, attributes: &'a Attributes) -> Self {
        Self::within(headers, attributes, &Bare)
    }
}

impl<'a, S: Surroundings> Request<'a, S> {
    /// Binds `headers` and `surroundings` to the table of
    /// [`Plan::attributes`](crate::plan::Plan::attributes).
    #[must_use]
    #[inline(never)] // Else the table is moved, which costs more than the call.
    pub fn within(headers: Headers<'a>, attributes: &'a Attributes, surroundings: &'a S) -> Self {
        let mut request = Self {
            headers,
            attributes,
            surroundings,
            near: [const { Cell::new(Kept::Nothing) }; NEAR],
            made: Made::default(),
            far: OnceCell::new(),
            has_more_headers: false,
        };
        for (name, value) in headers.pairs() {
            if let Some(id) = attributes.header(name) {
                request.bind(id, value);
            }
        }
        request
    }

    /// Keeps one value of a header that the plan asks for; several are joined with `,`.
    fn bind(&mut self, id: AttributeId, value: &'a [u8]) {
        for probe in 0..NEAR {
            let at = id.index().wrapping_add(probe) % NEAR;
            let Some(cell) = self.near.get_mut(at) else {
                break;
            };
            match cell.get_mut().owner() {
                Some(owner) if owner == id => {
                    let kept = cell.get();
                    let known = self.value(kept).unwrap_or_default();
                    let joined = [known, b",", value].concat();
                    let place = self.made.push(joined.into());
                    if let Some(cell) = self.near.get(at) {
                        cell.set(Kept::Made(id, place));
                    }
                    return;
                }
                Some(_) => {}
                None => {
                    cell.set(Kept::Borrowed(id, value));
                    return;
                }
            }
        }
        self.has_more_headers = true;
    }

    #[inline(never)]
    fn read(&self, attribute: &Attribute) -> Value<'a> {
        let around = self.surroundings;
        match attribute {
            Attribute::JwtClaim { provider, path } => around.jwt_claim(provider, path),
            Attribute::Body(pointer) => {
                around.body().and_then(|body| pointer.read(body)).map(bytes)
            }
            Attribute::SourceAddress => around.source_address(),
            Attribute::TimeOfDay(offset) => {
                Some(Cow::Owned(offset.time_of_day(around.now_ms()).into_bytes()))
            }
            Attribute::DayOfWeek(offset) => Some(Cow::Borrowed(
                offset.day_of_week(around.now_ms()).as_bytes(),
            )),
            Attribute::Date(offset) => Some(Cow::Owned(offset.date(around.now_ms()).into_bytes())),
            Attribute::Generated(generated) => self.generated(generated),
            Attribute::Request => around.request_id().map(bytes),
            _ => self.headers.read(attribute),
        }
    }

    /// The cookie's value where that can be a unit, else a fresh one.
    fn generated(&self, generated: &Generated) -> Value<'a> {
        self.headers
            .cookie(&generated.cookie)
            .filter(|value| (1..=MAX_UNIT_BYTES).contains(&value.len()))
            .filter(|value| str::from_utf8(value).is_ok())
            .map(Cow::Borrowed)
            .or_else(|| self.surroundings.mint(generated).map(bytes))
    }

    /// The value of an attribute that is not in its own cell: in one of the next, or not read yet.
    #[inline(never)]
    fn fetch(&self, id: AttributeId) -> Option<&[u8]> {
        let attribute = self.attributes.get(id.index())?;
        for probe in 0..NEAR {
            let cell = self.near.get(id.index().wrapping_add(probe) % NEAR)?;
            match cell.get().owner() {
                Some(owner) if owner == id => return self.value(cell.get()),
                Some(_) => {}
                None if self.attributes.is_found(attribute) && !self.has_more_headers => {
                    return None;
                }
                None => {
                    let kept = self.keep(id, self.read(attribute));
                    cell.set(kept);
                    return self.value(kept);
                }
            }
        }
        self.far(id, attribute)
    }

    fn keep(&self, id: AttributeId, value: Value<'a>) -> Kept<'a> {
        match value {
            None => Kept::Missing(id),
            Some(Cow::Borrowed(value)) => Kept::Borrowed(id, value),
            Some(Cow::Owned(value)) => Kept::Made(id, self.made.push(value.into())),
        }
    }

    #[inline]
    fn value(&self, kept: Kept<'a>) -> Option<&[u8]> {
        match kept {
            Kept::Nothing | Kept::Missing(_) => None,
            Kept::Borrowed(_, value) => Some(value),
            Kept::Made(_, place) => self.made.get(place),
        }
    }

    /// Beyond the near table: a cell for each attribute of the plan.
    #[cold]
    fn far(&self, id: AttributeId, attribute: &Attribute) -> Option<&[u8]> {
        let cells = || self.attributes.iter().map(|_| OnceCell::new()).collect();
        let cell = self.far.get_or_init(cells).get(id.index())?;
        cell.get_or_init(|| self.read(attribute)).as_deref()
    }
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

impl<S: Surroundings> Subject for Request<'_, S> {
    #[inline]
    fn get(&self, id: AttributeId) -> Option<&[u8]> {
        match self.near.get(id.index() % NEAR)?.get() {
            Kept::Borrowed(owner, value) if owner == id => Some(value),
            _ => self.fetch(id),
        }
    }

    fn chance(&self) -> u64 {
        self.surroundings.chance()
    }

    fn pins(&self) -> &[Pin] {
        self.surroundings.pins()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Pointer;
    use crate::time::Offset;
    use std::cell::Cell;

    #[derive(Default)]
    struct Everything {
        body: &'static [u8],
        minted: Cell<u32>,
    }

    impl Surroundings for Everything {
        fn now_ms(&self) -> i64 {
            60_000
        }

        fn chance(&self) -> u64 {
            0
        }

        fn body(&self) -> Option<&[u8]> {
            Some(self.body)
        }

        fn source_address(&self) -> Option<Cow<'_, [u8]>> {
            Some(Cow::Borrowed(b"192.0.2.1"))
        }

        fn jwt_claim(&self, provider: &str, path: &[Box<str>]) -> Option<Cow<'_, [u8]>> {
            Some(Cow::Owned(format!("{provider}/{}", path.join("/")).into()))
        }

        fn mint(&self, cookie: &Generated) -> Option<Cow<'_, str>> {
            self.minted.set(self.minted.get() + 1);
            Some(format!("minted for {}", cookie.cookie).into())
        }

        fn request_id(&self) -> Option<Cow<'_, str>> {
            Some("r".into())
        }
    }

    fn generated() -> Attribute {
        Attribute::Generated(Generated {
            cookie: "uid".into(),
            path: "/".into(),
            max_age_seconds: 1,
            secure: true,
            http_only: true,
            same_site: None,
        })
    }

    fn values(surroundings: &Everything, headers: &[(&[u8], &[u8])]) -> Vec<Option<String>> {
        let utc = Offset::default();
        let attributes = Attributes::new([
            Attribute::JwtClaim {
                provider: "p".into(),
                path: ["a".into(), "b".into()].into(),
            },
            Attribute::Body(Pointer::parse("/user").unwrap()),
            Attribute::SourceAddress,
            Attribute::TimeOfDay(utc),
            Attribute::DayOfWeek(utc),
            Attribute::Date(utc),
            generated(),
            Attribute::Request,
            Attribute::BodySize,
        ]);
        let request = Request::within(Headers::new(headers), &attributes, surroundings);
        let twice = [0, 1].map(|_| {
            (0..9)
                .map(|id| request.get(AttributeId(id)).map(<[u8]>::to_vec))
                .map(|value| value.map(|bytes| String::from_utf8(bytes).unwrap()))
                .collect::<Vec<_>>()
        });
        assert_eq!(twice[0], twice[1]);
        twice.into_iter().next().unwrap()
    }

    #[test]
    fn the_surroundings_answer_for_what_headers_do_not_tell() {
        let around = Everything {
            body: b"{\"user\": \"u\"}",
            ..Everything::default()
        };
        let found = values(&around, &[(b"content-length", b"13")]);
        let expected = [
            "p/a/b",
            "u",
            "192.0.2.1",
            "00:01",
            "thu",
            "1970-01-01",
            "minted for uid",
            "r",
            "13",
        ];
        assert_eq!(found, expected.map(|value| Some(value.to_owned())));
        assert_eq!(around.minted.get(), 1, "the same answer each time");
    }

    #[test]
    fn a_cookie_that_can_be_a_unit_is_not_minted_again() {
        let around = Everything::default();
        let found = values(&around, &[(b"cookie", b"uid=known")]);
        assert_eq!(found[6].as_deref(), Some("known"));
        for unfit in [
            &b"uid="[..],
            b"uid=\xff",
            &[b"uid=", &[b'x'; 257][..]].concat(),
        ] {
            let found = values(&around, &[(b"cookie", unfit)]);
            assert_eq!(found[6].as_deref(), Some("minted for uid"));
        }
        assert_eq!(around.minted.get(), 3);
    }

    #[test]
    fn a_body_size_is_a_length_and_nothing_else() {
        let around = Everything::default();
        let size = |value: &'static [u8]| values(&around, &[(b"content-length", value)])[8].clone();
        assert_eq!(size(b"0").as_deref(), Some("0"));
        for unfit in [&b""[..], b"-1", b"1e3", b"1,1", b"x"] {
            assert_eq!(size(unfit), None);
        }
    }

    #[test]
    fn any_number_of_attributes_is_read() {
        let attributes: Vec<_> = (0..100)
            .map(|n| Attribute::Header(format!("x-{n}").into()))
            .collect();
        let names: Vec<_> = (0..100).map(|n| format!("x-{n}").into_bytes()).collect();
        let pairs: Vec<(&[u8], &[u8])> = names.iter().map(|n| (&n[..], &n[..])).collect();
        let attributes = Attributes::new(attributes);
        let request = Request::new(Headers::new(&pairs), &attributes);
        for _ in 0..2 {
            for (id, name) in (0..100).zip(&names).rev() {
                assert_eq!(request.get(AttributeId(id)), Some(&name[..]));
            }
        }
        assert_eq!(request.get(AttributeId(100)), None);
    }
}
