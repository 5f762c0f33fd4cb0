use super::*;

#[test]
fn a_rank_is_found_among_the_bins() {
    let mut sketch = Sketch::default();
    for value in [1.0, 10.0, 100.0] {
        sketch.add(value);
    }
    let close = |rank: u64, value: f64| {
        let found = ranked(&sketch, rank, 3).unwrap();
        (found - value).abs() <= value * 0.011
    };
    assert!(close(1, 1.0) && close(2, 10.0) && close(3, 100.0));
    assert_eq!((ranked(&sketch, 0, 3), ranked(&sketch, 4, 3)), (None, None));
}

#[test]
fn a_day_is_a_date() {
    assert_eq!(date(0).unwrap().to_string(), "1970-01-01");
    assert_eq!(date(20_484).unwrap().to_string(), "2026-01-31");
}
