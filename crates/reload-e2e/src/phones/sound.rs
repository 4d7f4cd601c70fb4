//! Sound: tones for phones to send, and what they have recorded.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::until;

/// Samples of one channel, between -1 and 1.
#[derive(Clone, Debug)]
pub struct Sound {
    rate: u32,
    samples: Vec<f64>,
}

impl Sound {
    /// Of what telephones record: 8000 Hz, 16 bits.
    pub(super) const BYTES_A_SECOND: u32 = 16000;

    /// A tone, at the rate of a telephone (G.711: 8000 Hz). Whole tens of Hertz can be told apart.
    #[must_use]
    pub fn tone(hertz: u32, length: Duration) -> Self {
        let rate = 8000;
        let count = u32::try_from(u128::from(rate) * length.as_millis() / 1000).unwrap_or(u32::MAX);
        let step = TAU * f64::from(hertz) / f64::from(rate);
        let samples = (0..count).map(|at| LOUDNESS * (step * f64::from(at)).sin()).collect();
        Self { rate, samples }
    }

    /// Writes a WAV file.
    ///
    /// # Errors
    /// If it can not be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: self.rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec)?;
        for sample in &self.samples {
            writer.write_sample(quantized(*sample))?;
        }
        writer.finalize().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads a WAV file of 16 bits; of several channels the first.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(path: &Path) -> Result<Self> {
        let reader = hound::WavReader::open(path);
        let reader = reader.with_context(|| format!("cannot read {}", path.display()))?;
        let spec = reader.spec();
        let samples = reader.into_samples::<i16>().step_by(usize::from(spec.channels));
        // linphonec counts its header too, so that the end is missing.
        let samples = samples.map_while(Result::ok);
        let samples = samples.map(|sample| f64::from(sample) / f64::from(i16::MAX)).collect();
        Ok(Self { rate: spec.sample_rate, samples })
    }

    /// Reads what a phone records, once the phone has closed the file.
    pub(super) fn recorded(who: &str, file: impl Fn() -> Result<PathBuf>) -> Result<Self> {
        let read = || {
            let sound = Self::read(&file()?)?;
            ensure!(!sound.samples.is_empty(), "the recording has no end yet");
            Ok(sound)
        };
        Ok(until(&format!("{who} has heard something"), RECORDED, read)?.0)
    }

    /// How long it is.
    #[must_use]
    pub fn length(&self) -> Duration {
        BLOCK * u32::try_from(self.blocks().count()).unwrap_or(u32::MAX)
    }

    /// For how long it is that tone and hardly anything else, loud enough to be heard.
    #[must_use]
    pub fn heard(&self, hertz: u32) -> Duration {
        let step = TAU * f64::from(hertz) / f64::from(self.rate);
        let heard = self.blocks().filter(|block| is_tone(block, step)).count();
        BLOCK * u32::try_from(heard).unwrap_or(u32::MAX)
    }

    fn blocks(&self) -> impl Iterator<Item = &[f64]> {
        let length = usize::try_from(self.rate / BLOCKS_A_SECOND).unwrap_or(usize::MAX);
        self.samples.chunks_exact(length)
    }
}

/// Whether nearly all energy of a block is in one frequency (the algorithm of Goertzel).
fn is_tone(block: &[f64], step: f64) -> bool {
    let count = f64::from(u32::try_from(block.len()).unwrap_or(u32::MAX));
    let energy = block.iter().map(|sample| sample * sample).sum::<f64>() / count;
    let factor = 2.0 * step.cos();
    let (before, last) = block
        .iter()
        .fold((0.0, 0.0), |(before, last), sample| (last, sample + factor * last - before));
    let power = before * before + last * last - factor * before * last;
    energy.sqrt() > QUIET && 2.0 * power / (count * count) > PURE * energy
}

#[allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "it is between -1 and 1"
)]
fn quantized(sample: f64) -> i16 {
    (sample * f64::from(i16::MAX)).round() as i16
}

/// A recording has its end within this after the call.
const RECORDED: Duration = Duration::from_secs(5);

/// Sound is looked at in pieces of this length, which hold whole waves of tens of Hertz.
const BLOCK: Duration = Duration::from_millis(100);
const BLOCKS_A_SECOND: u32 = 10;

/// Of a tone, of 1.
const LOUDNESS: f64 = 0.3;

/// Root of the mean square of what nobody hears.
const QUIET: f64 = 0.03;

/// The part of the energy that has to be in the tone; coding as G.711 takes a hundredth.
const PURE: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(2);

    #[test]
    fn a_tone_is_heard_as_itself_alone_and_survives_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        Sound::tone(440, LENGTH).write(file.path()).unwrap();
        let read = Sound::read(file.path()).unwrap();
        assert_eq!(read.length(), LENGTH);
        assert_eq!(read.heard(440), LENGTH);
        assert_eq!(read.heard(660), Duration::ZERO);
    }

    #[test]
    fn silence_and_two_tones_at_once_are_not_heard_as_one() {
        let mut sound = Sound::tone(440, LENGTH);
        for (sample, other) in sound.samples.iter_mut().zip(Sound::tone(660, LENGTH).samples) {
            *sample += other;
        }
        assert_eq!(sound.heard(440), Duration::ZERO);
        sound.samples.fill(0.0);
        assert_eq!(sound.heard(440), Duration::ZERO);
        assert_eq!(sound.length(), LENGTH);
    }
}
