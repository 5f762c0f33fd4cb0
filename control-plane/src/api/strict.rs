//! A deserializer that takes a struct from an object only. serde's derived code would also take it
//! from a list of its fields' values, at any depth, and then nobody could tell what a value means.
//! And it follows nesting only so far, because each level takes stack. Everything else is passed on
//! as it is.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use std::fmt;
use watershed_engine::compile::limits;

/// Lists and objects inside one another: twice as many as rules may nest, and what is around them.
const MAX_DEPTH: usize = 2 * limits::RULE_DEPTH + 8;

/// Strict about structs, within and below.
pub(super) struct Strict<T> {
    inner: T,
    depth: usize,
}

/// A visitor whose nested values are read strictly.
struct Within<V> {
    visitor: V,
    is_struct: bool,
    depth: usize,
}

impl<T> Strict<T> {
    /// Reads a whole document.
    pub(super) fn new(inner: T) -> Self {
        Self { inner, depth: 0 }
    }

    fn seed<S>(&self, inner: S) -> Strict<S> {
        let depth = self.depth;
        Strict { inner, depth }
    }

    fn within<V>(&self, visitor: V) -> Within<V> {
        Within {
            visitor,
            is_struct: false,
            depth: self.depth,
        }
    }
}

impl<V> Within<V> {
    /// What is inside the value.
    fn below<T, E: Error>(&self, inner: T) -> Result<Strict<T>, E> {
        let depth = self.depth.saturating_add(1);
        if depth > MAX_DEPTH {
            return Err(E::custom(format!(
                "nests too deep, expected at most {MAX_DEPTH} levels"
            )));
        }
        Ok(Strict { inner, depth })
    }

    /// The same value, in other clothes.
    fn same<T>(&self, inner: T) -> Strict<T> {
        let depth = self.depth;
        Strict { inner, depth }
    }
}

macro_rules! pass {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let within = self.within(visitor);
            self.inner.$method(within)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    pass! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32
        deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_option deserialize_unit deserialize_seq deserialize_map
        deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let is_struct = true;
        let depth = self.depth;
        self.inner.deserialize_map(Within {
            visitor,
            is_struct,
            depth,
        })
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let within = self.within(visitor);
        self.inner.deserialize_unit_struct(name, within)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let within = self.within(visitor);
        self.inner.deserialize_newtype_struct(name, within)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let within = self.within(visitor);
        self.inner.deserialize_tuple(length, within)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let within = self.within(visitor);
        self.inner.deserialize_tuple_struct(name, length, within)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let within = self.within(visitor);
        self.inner.deserialize_enum(name, variants, within)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! visit {
    ($($method:ident($type:ty))*) => {
        $(fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Within<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_struct {
            return f.write_str("an object");
        }
        self.visitor.expecting(f)
    }

    visit! {
        visit_bool(bool) visit_i64(i64) visit_i128(i128) visit_u64(u64) visit_u128(u128)
        visit_f64(f64) visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let inner = self.same(inner);
        self.visitor.visit_some(inner)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let inner = self.same(inner);
        self.visitor.visit_newtype_struct(inner)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let entries = self.below(entries)?;
        self.visitor.visit_seq(entries)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let entries = self.below(entries)?;
        self.visitor.visit_map(entries)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        let variant = self.below(variant)?;
        self.visitor.visit_enum(variant)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let depth = self.depth;
        self.inner.deserialize(Strict { inner, depth })
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let seed = self.seed(seed);
        self.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let seed = self.seed(seed);
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.seed(seed);
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Strict<A> {
    type Error = A::Error;
    type Variant = Strict<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let depth = self.depth;
        let seed = self.seed(seed);
        let (value, inner) = self.inner.variant_seed(seed)?;
        Ok((value, Strict { inner, depth }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.seed(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let within = self.within(visitor);
        self.inner.tuple_variant(length, within)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let within = self.within(visitor);
        self.inner.struct_variant(fields, within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::experiment_spec::ExperimentSpec;
    use crate::model::settings::SettingsSpec;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    fn read<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
        T::deserialize(Strict::new(value))
    }

    #[test]
    fn a_list_of_values_is_no_object_at_any_depth() {
        for (spec, place) in [
            (json!([]), "the document"),
            (
                json!({"layer": "a", "variants": [], "unit": ["user", []]}),
                "a field",
            ),
            (
                json!({"layer": "a", "unit": {"type": "user", "sources": []}, "variants": [["a", 10000]]}),
                "an entry of a list",
            ),
            (
                json!({"layer": "a", "unit": {"type": "user", "sources": [{"jwt_claim": ["p", []]}]},
                       "variants": []}),
                "an optional field",
            ),
            (
                json!({"layer": "a", "unit": {"type": "user", "sources": []}, "variants": [],
                       "strategy": {"contextual": [[], 0.5, 0.5, {}]}}),
                "an enum's content",
            ),
        ] {
            let fault = read::<ExperimentSpec>(spec).unwrap_err().to_string();
            assert_eq!(
                fault, "invalid type: sequence, expected an object",
                "{place}"
            );
        }
        let keys = json!({"signing_keys": [["k1", "s"]]});
        assert!(read::<SettingsSpec>(keys).is_err());
    }

    #[test]
    fn what_is_right_is_read_as_ever() {
        let spec = json!({
            "layer": "a", "services": ["s"], "unit": {"type": "user", "sources": [{"header": "x"}]},
            "variants": [{"key": "a", "weight": 10000, "request_headers": {"x-a": "1"}}],
            "strategy": "random", "traffic": 100,
        });
        let plain: ExperimentSpec = serde_json::from_value(spec.clone()).unwrap();
        assert_eq!(read::<ExperimentSpec>(spec).unwrap(), plain);
    }

    #[test]
    fn nesting_is_followed_only_so_far() {
        let nested = |levels: usize| {
            let rule = json!({"header": "a", "present": true});
            let rule = (0..levels).fold(rule, |rule, _| json!({"all": [rule]}));
            json!({"layer": "a", "unit": {"type": "user", "sources": []}, "variants": [], "audience": rule})
        };
        read::<ExperimentSpec>(nested(limits::RULE_DEPTH)).unwrap();
        let fault = read::<ExperimentSpec>(nested(limits::RULE_DEPTH * 2)).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "nests too deep, expected at most 40 levels"
        );
    }
}
